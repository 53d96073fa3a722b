"""Only what exceeds the scatter between photos is a difference between cameras."""

import statistics

import pytest
import torch

from wespe.evidence import evident
from wespe.networks.lut import Colour, ColourConfig
from wespe.networks.texture import Texture, TextureConfig
from wespe.sample import Sample
from wespe.set_match import fit_curves, fit_start, histograms

PHOTOS = 20


def difference(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return target - source


def draws(seed: int, photos: int = PHOTOS, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(photos, 4, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def test_two_halves_of_one_set_show_little_or_nothing() -> None:
    """Two standard errors let through 1 of 20 components."""
    kept = torch.stack([evident(difference, draws(2 * i), draws(2 * i + 1), 2) for i in range(100)])
    everything = torch.stack([evident(difference, draws(2 * i), draws(2 * i + 1), 0) for i in range(100)])
    assert kept.square().sum() < 0.4 * everything.square().sum()
    assert (kept.norm(dim=1) < 1e-9).float().mean() > 0.6


def test_a_difference_beyond_chance_is_kept_and_the_rest_is_dropped() -> None:
    """One of four values differs by ten standard errors."""
    spread = torch.tensor([1.0, 2, 4, 8], dtype=torch.double)
    shift = torch.tensor([3.0, 0, 0, 0], dtype=torch.double)
    pairs = [(spread * draws(2 * i), spread * draws(2 * i + 1) + shift) for i in range(50)]
    kept, everything = (torch.stack([evident(difference, *p, errors) for p in pairs]) for errors in (2, 0))
    assert kept[:, 0].mean().item() == pytest.approx(3, abs=0.2)
    assert kept[:, 1:].square().sum() < 0.5 * everything[:, 1:].square().sum()


@pytest.mark.parametrize("photos", [1, 2])
def test_a_single_photo_is_evidence_of_nothing(photos: int) -> None:
    kept = evident(difference, draws(0, photos), 100 + draws(1), 2)
    assert bool(kept.any()) == (photos > 1)


def photos(seed: int, count: int, dark: float = 1.0) -> Sample:
    """Photos of different exposure, four patches each."""
    rng = torch.Generator().manual_seed(seed)
    exposures = 0.2 + 0.6 * torch.rand(count, 1, 1, 1, 1, generator=rng)
    levels = (exposures * torch.rand(count, 4, 16, 16, 3, generator=rng) * dark * 255).byte()
    return Sample(levels.flatten(0, 1), torch.arange(count).repeat_interleave(4))


def test_sets_of_one_camera_are_left_alone() -> None:
    """Protects: photos that only need denoising, whose colours a histogram match would spoil."""
    probe = next(photos(99, 8).chunks())

    def moved(evidence: float) -> float:
        """The median over ten pairs of sets of how far a pixel moves, in levels."""
        ways = []
        for seed in range(10):
            colour, texture = Colour(ColourConfig(evidence=evidence)), Texture(TextureConfig())
            fit_start(colour, texture, photos(2 * seed, PHOTOS), photos(2 * seed + 1, PHOTOS))
            ways.append((colour.start(probe) - probe).abs().mean().item() * 255)
        return statistics.median(ways)

    assert moved(evidence=2) < 2
    assert moved(evidence=0) > 5


def test_a_camera_that_is_too_dark_is_brightened() -> None:
    colour = Colour(ColourConfig())
    taken, good = (one.photo_means(histograms) for one in (photos(0, PHOTOS, dark=0.4), photos(1, PHOTOS)))
    assert fit_curves(colour, taken, good) > 0.9
    assert colour.curves[:, 80].min() > 1.5 * 80 / 255


def test_each_photo_counts_once_whatever_its_patches() -> None:
    few, many = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.full((9, 8, 8, 3), 255, dtype=torch.uint8)
    sample = Sample(torch.cat([few, many]), torch.tensor([0] + [1] * 9))
    means = sample.photo_means(lambda patches: patches.mean((1, 2, 3)))
    assert means.tolist() == [0, 1]
