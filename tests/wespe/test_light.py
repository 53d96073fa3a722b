"""Local light: exact in tiles, black, white and greys stay, and compiled passes agree with torch."""

import pytest
import torch
from skimage import data
from torch import nn
from torch.nn import functional

from wespe.generator import Place
from wespe.kernels import compiled
from wespe.networks.light import Light, LightConfig, LightDecision

LEVEL = 1 / 255


def light(strength: float = 1.0, config: LightConfig | None = None) -> Light:
    """Decides at random, and differently from place to place."""
    torch.manual_seed(0)
    one = Light(config or LightConfig()).requires_grad_(False)
    nn.init.normal_(one.grid.weight, std=strength)
    nn.init.normal_(one.colours.weight, std=strength)
    return one


def photo(height: int = 250, width: int = 331) -> torch.Tensor:
    shown = torch.from_numpy(data.chelsea()[:height, :width].copy())
    return shown[None].permute(0, 3, 1, 2) / 255


def decided(one: Light, shown: torch.Tensor) -> LightDecision:
    return one.decide(functional.adaptive_avg_pool2d(shown, 192))


def without_colours(decision: LightDecision) -> LightDecision:
    """Only what varies from place to place."""
    none = torch.zeros_like(decision.haze)
    return LightDecision(decision.stops, torch.zeros_like(decision.channels), none, none + 1)


def test_an_untrained_network_changes_nothing() -> None:
    shown = photo()
    torch.testing.assert_close(Light(LightConfig())(shown, decided(Light(LightConfig()), shown)), shown)


@pytest.mark.parametrize("compiled_pass", [True, False])
def test_a_tile_gets_what_it_gets_within_its_photo(compiled_pass: bool) -> None:
    one, shown = light(), photo()
    decision = decided(one, shown)
    with torch.inference_mode(compiled_pass):
        whole = one(shown, decision)
        tile = one(shown[..., 40:170, 100:300], decision, Place(40, 100, 250, 331))
    assert (whole - shown).abs().max() > 20 * LEVEL  # it does change the photo
    torch.testing.assert_close(tile, whole[..., 40:170, 100:300], atol=1e-6, rtol=0)


@pytest.mark.skipif(compiled.passes() is None, reason="numba is not installed")
@pytest.mark.parametrize("strength", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("size", [(250, 331), (1, 1), (3, 200), (200, 3)])
@pytest.mark.parametrize("depth", [1, 8])
def test_the_compiled_pass_agrees_with_torch(strength: float, size: tuple[int, int], depth: int) -> None:
    one, shown = light(strength, LightConfig(depth=depth)), photo(*size)
    decision = decided(one, shown)
    with torch.inference_mode():
        quick = one(shown, decision)
    assert (quick - one(shown, decision)).abs().max() < LEVEL / 50


def test_black_and_white_stay_and_nothing_else_becomes_either() -> None:
    """Protects highlights: however much brighter a place becomes, what was told apart is still told apart."""
    one, shown = light(3), photo()
    decision = without_colours(decided(one, shown))
    levels = torch.linspace(0, 1, 256).expand(3, 250, 256)[None]
    changed = one(levels, decision)
    assert not changed[..., 0].any()
    assert (changed[..., 255] > 1 - 1e-6).all()
    assert (changed[..., 1:255] > 0).all()
    assert (changed[..., 1:255] < 1).all()


def test_greys_stay_grey_wherever_they_are() -> None:
    one, shown = light(3), photo()
    decision = without_colours(decided(one, shown))
    changed = one(torch.full_like(shown, 0.4), decision)
    assert (changed.amax(1) - changed.amin(1)).max() < 1e-6
    assert changed.std() > 5 * LEVEL


def test_a_smooth_sky_gets_no_steps() -> None:
    """Protects from banding: cells of the grid must not show."""
    one, shown = light(0.3), photo()
    decision = without_colours(decided(one, shown))
    sky = torch.linspace(0.5, 0.9, 600)[:, None].expand(3, 600, 800)[None]
    steps = one(sky, decision).diff(dim=2)
    assert steps.diff(dim=2).abs().max() < 0.5 * LEVEL


@pytest.mark.parametrize(
    ("settings", "told"), [({"widths": ()}, "widths must be"), ({"depth": 0}, "depth must be at least 1")]
)
def test_a_network_without_layers_or_cells_is_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LightConfig(**settings)
