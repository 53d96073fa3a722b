"""Skies stay smooth: what the colour part makes of a gradient has no bands, also when it was learned."""

from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
import torch
from skimage import data

from wespe.batch import Batch
from wespe.guard import Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.lut_residual import LutResidualConfig
from wespe.networks.detail import DetailConfig
from wespe.networks.features import ContentConfig
from wespe.networks.lut import Colour
from wespe.networks.patch_critic import PatchCriticConfig
from wespe.optimisers import OptimiserConfig
from wespe.sample import Sample
from wespe.training import train
from wespe.views import texture_view

SIZE_PX, STEPS = 32, 10
DUSK, HAZE = torch.tensor([30, 60, 110]) / 255, torch.tensor([190, 215, 240]) / 255
CONFIG = LutResidualConfig(
    detail=DetailConfig(width=4, blocks=1),
    critic=PatchCriticConfig(width=4, halvings=2),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
    start_patches=32,
)


def patches(photo: np.ndarray) -> Sample:
    """Sixteen, as if of one photo each: the histogram of so few is bumpy."""
    cut = [photo[y : y + SIZE_PX, x : x + SIZE_PX] for y in range(0, 256, 64) for x in range(0, 256, 64)]
    return Sample(torch.from_numpy(np.stack(cut)), torch.arange(len(cut)))


@pytest.fixture(scope="module")
def samples() -> tuple[Sample, Sample]:
    """From a dim photo in few levels to a bright one."""
    dim = (data.astronaut()[:256, :256] // 16 * 10).astype(np.uint8)
    return patches(dim), patches(data.coffee()[:256, :256])


@pytest.fixture(scope="module")
def smooth(samples: tuple[Sample, Sample]) -> Colour:
    return learned(CONFIG, samples)


def learned(config: LutResidualConfig, samples: tuple[Sample, Sample]) -> Colour:
    """Fitted, then trained at the preset's rate."""
    torch.manual_seed(0)
    one = Learner(
        build_method(config, size_px=SIZE_PX), LearnerConfig(optimiser=OptimiserConfig(learning_rate=3e-4))
    )
    one.prepare(*samples)
    source, target = (next(sample.chunks()) for sample in samples)
    batch = Batch(source, target, total=len(source))
    guard = Guard(GuardConfig(min_psnr_db=0), one)
    for _ in train(one, repeat(batch), guard, steps=STEPS, due=lambda step: False):
        pass
    return one.generator.colour  # type: ignore[return-value]


def sky(columns: int) -> torch.Tensor:
    """From dusk to haze, in as many columns; photos_nchw."""
    share = torch.linspace(0, 1, columns)
    row = DUSK[:, None] + (HAZE - DUSK)[:, None] * share
    return row[None, :, None].expand(1, 3, 64, columns)


@torch.inference_mode()
def levels(colour: Colour, photos: torch.Tensor) -> torch.Tensor:
    """One row of what becomes of photos, (3, columns), 0–255 and not rounded."""
    return colour(photos)[0, :, 32] * 255


def test_a_sky_stays_monotone_and_in_single_steps(smooth: Colour) -> None:
    """So fine a gradient must take all 8-bit levels on its way, and brightness never turns back.

    A single channel may, where saturation grows while the sky grows paler.
    """
    row = levels(smooth, sky(2048))
    assert texture_view(row[None, :, None]).diff().min() > -0.005
    assert row.round().diff().abs().max() <= 1
    assert (row[:, -1] - row[:, 0]).min() > 50


def test_no_band_begins_anywhere_in_a_sky(smooth: Colour) -> None:
    """Where a column is about a level, each step is as large as the one before, within a third of a level."""
    assert bend(levels(smooth, sky(192))) < 1 / 3


def test_without_smooth_curves_there_are_bands(samples: tuple[Sample, Sample]) -> None:
    """What the other tests would find here: they can fail."""
    rough = learned(replace(CONFIG, colour=replace(CONFIG.colour, smooth_levels=0)), samples)
    assert levels(rough, sky(2048)).round().diff().max() > 1
    assert bend(levels(rough, sky(192))) > 1


def bend(row: torch.Tensor) -> float:
    """The greatest change from one step to the next, in levels."""
    return row.diff().diff().abs().max().item()
