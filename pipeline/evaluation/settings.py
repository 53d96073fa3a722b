"""The files of weights that learned scores need."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LpipsFiles:
    """Safetensors of torchvision's ImageNet SqueezeNet 1.1, and of the LPIPS authors' layers on it."""

    backbone: str
    linear: str


@dataclass(frozen=True, kw_only=True)
class BrisqueFiles:
    """The libsvm regression of BRISQUE's authors, and the ranges of its features."""

    model: str
    ranges: str


@dataclass(frozen=True, kw_only=True)
class LearnedScoreFiles:
    """Paths of weights; a score without its weights is left out.

    cornia: the file that `python -m stages.cornia` wrote. ffs: the folder that `python -m stages.rate train`
    wrote.
    """

    lpips: LpipsFiles | None = None
    brisque: BrisqueFiles | None = None
    cornia: str | None = None
    ffs: str | None = None
