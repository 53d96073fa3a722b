"""Settings of the learned scores: paths of their weights."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LpipsFiles:
    """Safetensors files: torchvision's ImageNet SqueezeNet 1.1, and the LPIPS authors' linear layers."""

    backbone: str
    linear: str


@dataclass(frozen=True, kw_only=True)
class BrisqueFiles:
    """The BRISQUE authors' libsvm model, and the ranges of its features."""

    model: str
    ranges: str


@dataclass(frozen=True, kw_only=True)
class LearnedScoreFiles:
    """Paths of weights; a score without weights is left out.

    cornia: the file written by `python -m stages.cornia`.
    ffs: the folder written by `python -m stages.rate train`.
    """

    lpips: LpipsFiles | None = None
    brisque: BrisqueFiles | None = None
    cornia: str | None = None
    ffs: str | None = None
