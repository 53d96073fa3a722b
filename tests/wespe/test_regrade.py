"""Regrading: what a network learns to undo looks like weak cameras, photo by photo, and can be repeated."""

import pytest
import torch
from skimage import data

from wespe.regrade import regraded
from wespe.views import texture_view

PHOTOS = torch.stack(
    [torch.from_numpy(one[:192, :192].copy()) for one in (data.coffee(), data.chelsea(), data.astronaut())]
).permute(0, 3, 1, 2) / 255  # fmt: skip


def draw(seed: int = 0, strength: float = 1.0) -> torch.Tensor:
    return regraded(PHOTOS, torch.Generator().manual_seed(seed), strength)


def test_the_same_seed_gives_the_same_photos_and_another_seed_others() -> None:
    assert torch.equal(draw(3), draw(3))
    assert (draw(3) - draw(4)).abs().mean() > 0.02


def test_every_photo_of_a_batch_gets_its_own() -> None:
    same = regraded(PHOTOS[:1].expand(8, -1, -1, -1), torch.Generator().manual_seed(0))
    means = same.mean((1, 2, 3))
    assert means.unique().numel() == 8
    assert means.std() > 0.02


def test_at_strength_0_only_noise_is_added() -> None:
    apart = draw(strength=0) - PHOTOS
    assert 0 < apart.abs().max() < 0.05
    assert apart.mean().abs() < 1e-3


def test_photos_become_darker_and_paler_on_average_and_stay_within_range() -> None:
    drawn = torch.cat([draw(seed) for seed in range(30)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn.mean() < PHOTOS.mean() - 0.03
    colour = (drawn - texture_view(drawn)).square().mean().sqrt()
    assert colour < 0.9 * (PHOTOS - texture_view(PHOTOS)).square().mean().sqrt()


def test_shadows_sink_more_than_highlights() -> None:
    """A dark room with a window: large differences grow, which undoing them must learn to bring back."""
    room = torch.full((64, 3, 96, 96), 0.25)
    room[..., 20:60, 50:90] = 0.9
    drawn = regraded(room, torch.Generator().manual_seed(0))
    ratio = (drawn[..., 25:55, 55:85].mean() / drawn[..., 70:, :40].mean()).item()
    assert ratio > 1.1 * 0.9 / 0.25


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_photos_give_numbers(level: float) -> None:
    drawn = regraded(torch.full((4, 3, 40, 30), level), torch.Generator().manual_seed(0))
    assert drawn.isfinite().all()
