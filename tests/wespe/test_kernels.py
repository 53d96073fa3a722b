"""Compiled passes give what the reference in torch gives."""

import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from wespe.kernels import compiled
from wespe.kernels.textured import textured
from wespe.methods import lut_residual
from wespe.methods.lut_residual import LutResidual, LutResidualConfig
from wespe.networks.lut import ColourConfig, Decision
from wespe.networks.restorer import Restorer, RestorerConfig
from wespe.networks.texture import TextureConfig
from wespe.sample import Sample
from wespe.set_match import fit_start

pytestmark = pytest.mark.skipif(compiled.passes() is None, reason="numba is not installed")
LEVEL = 1 / 255


@dataclass(frozen=True)
class Case:
    """luts: the size of random offsets. saturation, gain, shift: replace what was fitted."""

    luts: float = 0.0
    saturation: float | None = None
    gain: float | None = None
    shift: float | None = None
    chroma_px: float = 1.5
    fitted: bool = True


def patches(photo_hwc: np.ndarray) -> Sample:
    cut = [photo_hwc[y : y + 40, x : x + 40] for y in range(0, 240, 40) for x in range(0, 240, 40)]
    return Sample(torch.from_numpy(np.stack(cut)), torch.arange(len(cut)))


def generator(case: Case) -> LutResidual:
    """Fitted from a dim, noisy photo to a bright one."""
    torch.manual_seed(0)
    config = LutResidualConfig(
        colour=ColourConfig(side=5, evidence=0), texture=TextureConfig(chroma_px=case.chroma_px)
    )
    one = LutResidual.of(config).requires_grad_(False)
    noise = np.random.default_rng(0).normal(0, 4, data.astronaut().shape)
    dim = (data.astronaut() * 0.6 + noise).clip(0, 255).astype(np.uint8)
    if case.fitted:
        fit_start(one.colour, one.texture, patches(dim), patches(data.coffee()))
    nn.init.normal_(one.colour.luts, std=case.luts or 1e-9)
    if case.saturation is not None:
        one.colour.saturation.fill_(case.saturation)
    return one


def photo(name: str, size: tuple[int, int]) -> torch.Tensor:
    height, width = size
    if name == "random":
        return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    if name in ("black", "white"):
        return torch.full((1, 3, height, width), float(name == "white"))
    real_hwc = torch.from_numpy(data.chelsea()[:height, :width].copy())
    return real_hwc[None].permute(0, 3, 1, 2) / 255  # channels last, as photos are


def by_torch(one: LutResidual, shown: torch.Tensor, decision: Decision) -> torch.Tensor:
    """The reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "passes", lambda: None)
        return one.textured(shown, decision)[0]


CASES = (
    Case(),
    Case(luts=0.1),
    Case(saturation=0.7),
    Case(saturation=1.2),
    Case(gain=1.4, shift=0.2),
    Case(gain=0.8, shift=-0.2),
    Case(chroma_px=0),
    Case(chroma_px=8),
    Case(fitted=False),
    Case(fitted=False, luts=0.1),
)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["real", "random", "black", "white"])
@torch.inference_mode()
def test_kernels_agree_with_torch(case: Case, name: str) -> None:
    one, shown = generator(case), photo(name, (90, 130))
    decision = one.decide([shown])
    if case.gain is not None:
        decision = decision._replace(gain=torch.full_like(decision.gain, case.gain))
        decision = decision._replace(shift=torch.full_like(decision.shift, case.shift))
    apart = textured(shown, one.colour, one.texture, decision) - by_torch(one, shown, decision)
    apart = apart.abs() / LEVEL
    assert apart.max() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (33, 34), (70, 1100)])
@torch.inference_mode()
def test_any_size_agrees(size: tuple[int, int]) -> None:
    one, shown = generator(Case(luts=0.1)), photo("random", size)
    decision = one.decide([shown])
    apart = textured(shown, one.colour, one.texture, decision) - by_torch(one, shown, decision)
    assert apart.abs().max() < LEVEL / 50


@pytest.mark.parametrize("colour", [{}, {"window_px": 48}, {"window_px": 31, "thumbnail_px": 400}], ids=str)
@pytest.mark.parametrize("flat", [None, 100, 200, 254], ids=str)
@torch.inference_mode()
def test_decisions_agree(colour: dict, flat: int | None) -> None:
    """Up to rounding: whoever decides without numba, on another machine, gets the same colours.

    In flat areas, the reference used to take rounding errors for contrast, and gave colours whole levels off.
    """
    one, shown = generator(Case(luts=0.1)), photo("real", (259, 301)).clone()
    if flat is not None:
        shown[:, :, 60:] = flat / 255
    one.colour.config = replace(one.colour.config, **colour)
    strip = one.colour.strip_px * max(1, 96 // one.colour.strip_px)
    strips = [shown] if strip > 200 else [shown[:, :, :strip], shown[:, :, strip:]]
    quick = one.decide(strips)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "passes", lambda: None)
        slow = one.decide([shown])
    for first, second in zip(quick, slow, strict=True):
        torch.testing.assert_close(first, second, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("layer", ["weight", "bias"])
@torch.inference_mode()
def test_detail_is_skipped_only_while_it_changes_nothing(layer: str) -> None:
    one, shown = generator(Case()), photo("real", (64, 64))
    decision = one.decide([shown])
    assert not one.has_detail
    assert torch.equal(one(shown, decision), textured(shown, one.colour, one.texture, decision))
    nn.init.normal_(getattr(one.detail.tail, layer))
    assert one.has_detail
    quick = one(shown, decision)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "passes", lambda: None)
        slow = one(shown, decision)
    torch.testing.assert_close(quick, slow, atol=LEVEL / 20, rtol=0)
    assert not torch.equal(quick, textured(shown, one.colour, one.texture, decision))


@pytest.mark.parametrize("block_px", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (36, 48), (37, 45)])
@torch.inference_mode()
def test_detail_agrees(block_px: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    restorer, shown = Restorer(RestorerConfig(block_px=block_px, blocks=1)), photo("random", size)
    nn.init.normal_(restorer.tail.weight)
    quick = restorer(shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wespe.networks.restorer.suits", lambda photos: False)
        slow = restorer(shown)
    assert (quick - shown).abs().max() > LEVEL
    assert (quick - slow).abs().max() < LEVEL / 20


@torch.inference_mode()
def test_the_number_of_threads_changes_no_bit() -> None:
    one, shown, threads = generator(Case(luts=0.1)), photo("random", (200, 600)), torch.get_num_threads()
    results, decisions = [], []
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        decisions.append(one.decide([shown]))
        results.append(textured(shown, one.colour, one.texture, decisions[0]))
    torch.set_num_threads(threads)
    for number in (1, 2):
        assert torch.equal(results[0], results[number])
        assert all(map(torch.equal, decisions[0], decisions[number]))


def test_the_generator_uses_them_at_inference_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training needs gradients, and a batch of patches is too little work."""
    used = []
    monkeypatch.setattr(lut_residual, "textured", lambda photos, *_: used.append(len(photos)) or photos)
    one, shown = generator(Case()), photo("real", (40, 40))
    one(shown)
    with torch.inference_mode():
        one(shown)
        one(shown.expand(2, -1, -1, -1))
        one.double()(shown.double())
    assert used == [1]


def test_without_numba_everything_works(monkeypatch: pytest.MonkeyPatch) -> None:
    one, shown = generator(Case()), photo("real", (40, 40))
    with torch.inference_mode():
        quick = one(shown)
        monkeypatch.setattr(compiled, "passes", lambda: None)
        torch.testing.assert_close(one(shown), quick, atol=LEVEL, rtol=0)


def test_missing_numba_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: people who would otherwise wait three times as long and never learn why."""
    monkeypatch.setitem(sys.modules, "wespe.kernels.passes", None)
    monkeypatch.delattr("wespe.kernels.passes")
    with pytest.warns(UserWarning, match="three times as long without numba"):
        assert compiled.passes.__wrapped__() is None
