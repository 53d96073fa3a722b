"""Scores of a setting: on test pairs, and without pairs on the training sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.research.detail_study.photo_sets import Photos, PhotoSet, as_tensor
from pipeline.research.detail_study.probe import Probe, auc
from wespe.metrics.full_reference import ms_ssim_dped, psnr
from wespe.metrics.lpips import Lpips
from wespe.metrics.self_checks import noise_gain
from wespe.metrics.set_distance import sample_gradients, texture_distance

PATCHES, PATCH_PX, PATCHES_FOR_NOISE = 600, 96, 150
GRADIENTS = 96
FIRST = 50

Enhance = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Sample:
    """Patches of the training sets, for scores without pairs."""

    source: list[np.ndarray]
    target: list[np.ndarray]
    source_origins: list[str]
    target_origins: list[str]


def sampled(photos: PhotoSet, seed: int = 0) -> Sample:
    """Draw the sample, which is the same for all settings."""
    source, origins = _cut(photos.source, seed)
    target, others = _cut(photos.target, seed + 1)
    return Sample(source, target, origins, others)


def _cut(photos: Photos, seed: int) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(seed)
    names = sorted(set(photos.origins))
    patches, origins = [], []
    for number in range(PATCHES):
        name = names[number % len(names)]
        of_it = [photo for photo, origin in zip(photos.pixels, photos.origins, strict=True) if origin == name]
        photo = of_it[int(rng.integers(len(of_it)))]
        top, left = (int(rng.integers(side - PATCH_PX + 1)) for side in photo.shape[:2])
        patches.append(photo[top : top + PATCH_PX, left : left + PATCH_PX])
        origins.append(name)
    return patches, origins


class Scorer:
    """Computes scores that need weights; loads them once."""

    def __init__(self, weights: Path, device: torch.device):
        self.device = device
        self.lpips = Lpips(
            weights / "squeezenet1_1_fp16.safetensors", weights / "lpips_squeeze_lin.safetensors", str(device)
        )
        self.probes = {name: Probe(name, weights, device) for name in ("vgg19", "squeezenet1_1")}

    def pairs(self, enhance: Enhance, tests: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Compute full-reference scores, noise, and the probe between enhanced photos and their truths."""
        sources, truths = [a for a, _ in tests], [b for _, b in tests]
        enhanced = enhance(sources)
        distances = [self.lpips(a, b) for a, b in zip(enhanced, truths, strict=True)]
        noises = [noise_gain(a, b) for a, b in zip(enhanced, sources, strict=True)]
        row: dict[str, Any] = {
            "lpips": np.mean(distances),
            "lpips_first_50": np.mean(distances[:FIRST]),
            "psnr": np.mean([psnr(a, b) for a, b in zip(enhanced, truths, strict=True)]),
            "ms_ssim": ms_ssim_dped(np.stack(enhanced), np.stack(truths)),
            "noise": np.mean(noises),
            "noise_median": np.median(noises),
        }
        names = [str(number) for number in range(len(tests))]
        for name, probe in self.probes.items():
            ours, theirs = (
                probe.describe(as_tensor(np.stack(side), self.device)) for side in (enhanced, truths)
            )
            row[f"truth_auc_{name}"] = auc(ours, theirs, names, names)
        return {name: round(float(value), 4) for name, value in row.items()}

    def sets(self, enhance: Enhance, sample: Sample) -> dict[str, float]:
        """Compute scores that need no pairs, on patches of the training sets."""
        enhanced = enhance(sample.source)
        row = {"set_texture": _texture(enhanced, sample.target)}
        few = range(0, len(enhanced), len(enhanced) // PATCHES_FOR_NOISE)
        row["set_noise"] = float(np.mean([noise_gain(enhanced[i], sample.source[i]) for i in few]))
        for name, probe in self.probes.items():
            ours, theirs = (
                probe.describe(as_tensor(np.stack(side), self.device)) for side in (enhanced, sample.target)
            )
            row[f"set_auc_{name}"] = auc(ours, theirs, sample.source_origins, sample.target_origins)
        return {name: round(value, 4) for name, value in row.items()}


def _texture(enhanced: Sequence[np.ndarray], target: Sequence[np.ndarray]) -> float:
    ours, theirs = (
        np.concatenate(
            [sample_gradients(photo, number, GRADIENTS) for number, photo in enumerate(side)], axis=1
        )
        for side in (enhanced, target)
    )
    return texture_distance(ours, theirs)
