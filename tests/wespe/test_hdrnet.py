"""HDRNet: its slicing is the paper's, tiles are exact, and it learns with pairs and without."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from skimage import data
from torch.nn import functional

from wespe.batch import Batch
from wespe.generator import Place
from wespe.learner import Learner, LearnerConfig
from wespe.losses import psnr_db
from wespe.methods import MethodConfig, build_method
from wespe.methods.hdrnet import HdrnetConfig
from wespe.methods.hdrnet_unpaired import HdrnetUnpairedConfig
from wespe.networks.bilateral import Bilateral, BilateralConfig, GridDecision, Guide, transformed
from wespe.networks.features import ContentConfig
from wespe.networks.patch_critic import PatchCriticConfig
from wespe.networks.slicing import sliced
from wespe.optimisers import OptimiserConfig

SIZE, LEVEL = 32, 1 / 255
BETAS = (0.5, 0.99)
SMALL = BilateralConfig(side_px=16, width=8, halvings=2, cells=4, depth=4, knots=4)
PAIRED = HdrnetConfig(generator=SMALL)
UNPAIRED = HdrnetUnpairedConfig(
    generator=SMALL,
    critic=PatchCriticConfig(width=4, halvings=2),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
)


def learner(config: MethodConfig, learning_rate: float = 1e-3) -> Learner:
    """With the presets' betas where critics learn too."""
    torch.manual_seed(0)
    critics = {"critics": OptimiserConfig(learning_rate=3e-3, betas=BETAS)}
    if config is PAIRED:
        settings = LearnerConfig(optimiser=OptimiserConfig(learning_rate=learning_rate))
    else:
        own = OptimiserConfig(learning_rate=learning_rate, betas=BETAS)
        settings = LearnerConfig(optimiser=own, optimisers=critics)
    return Learner(build_method(config, size_px=SIZE), settings)


def busy(config: BilateralConfig = SMALL) -> Bilateral:
    """Transforms that differ much from place to place, and by brightness."""
    torch.manual_seed(0)
    network = Bilateral(config).requires_grad_(False)
    network.low.grid.weight.mul_(30)
    network.low.grid.bias.add_(0.2 * torch.randn_like(network.low.grid.bias))
    return network


def photo(height: int = 250, width: int = 331) -> torch.Tensor:
    shown = torch.from_numpy(data.chelsea()[:height, :width].copy())
    return shown[None].permute(0, 3, 1, 2) / 255


def reduced(kinds: tuple[str, ...] = ("astronaut", "coffee", "chelsea", "rocket")) -> torch.Tensor:
    """Whole photos as squares."""
    shown = [torch.from_numpy(getattr(data, kind)()).permute(2, 0, 1)[None] / 255 for kind in kinds]
    return torch.cat([functional.adaptive_avg_pool2d(one, SIZE) for one in shown])


def camera(photos_nchw: torch.Tensor) -> torch.Tensor:
    """Dark and greenish."""
    return photos_nchw * torch.tensor([0.45, 0.6, 0.4]).view(3, 1, 1)


def tent_loop(grid: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Slice (channels, depth, rows, columns) at (h, w) as the paper's equations say, one pixel at a time."""
    channels, depth, rows, columns = grid.shape
    height, width = guide.shape
    found = np.zeros((channels, height, width))
    for y, x in np.ndindex(height, width):
        place = ((y + 0.5) * rows / height, (x + 0.5) * columns / width, guide[y, x] * depth)
        first = [int(np.floor(at - 0.5)) for at in place]
        for offset in np.ndindex(2, 2, 2):
            cell = [start + step for start, step in zip(first, offset, strict=True)]
            weight = np.prod([max(0, 1 - abs(c + 0.5 - at)) for c, at in zip(cell, place, strict=True)])
            row, column, level = (
                min(max(c, 0), size - 1) for c, size in zip(cell, (rows, columns, depth), strict=True)
            )
            found[:, y, x] += weight * grid[:, level, row, column]
    return found


def test_slicing_is_the_papers_with_its_tents_and_half_pixels() -> None:
    random = np.random.default_rng(0)
    grid, guide = random.normal(size=(2, 3, 4, 5)), random.uniform(-0.2, 1.2, (7, 9))
    found = sliced(torch.tensor(grid)[None], torch.tensor(guide)[None, None])[0]
    np.testing.assert_allclose(found.numpy(), tent_loop(grid, guide), atol=1e-6)


def test_slicing_a_tile_is_slicing_the_photo_there() -> None:
    grid, guide = torch.rand(2, 3, 4, 5, 6), torch.rand(2, 1, 40, 50)
    tile = sliced(grid, guide[..., 10:31, 7:43], Place(10, 7, 40, 50))
    torch.testing.assert_close(tile, sliced(grid, guide)[..., 10:31, 7:43], atol=1e-6, rtol=0)


def test_slicing_has_the_right_slopes() -> None:
    random = torch.Generator().manual_seed(0)
    grid = torch.rand(1, 2, 2, 3, 2, generator=random, dtype=torch.float64).requires_grad_()
    guide = (0.3 + 0.3 * torch.rand(1, 1, 3, 4, generator=random, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(sliced, (grid, guide))


def test_a_constant_grid_is_one_affine_transform() -> None:
    matrix, offset, shown = torch.rand(3, 3), torch.rand(3), photo(20, 30)
    cells = torch.cat([matrix, offset[:, None]], 1).flatten()
    decision = GridDecision(cells.view(1, 12, 1, 1, 1).expand(1, 12, 4, 3, 5))
    wanted = torch.einsum("ck,nkhw->nchw", matrix, shown) + offset[:, None, None]
    torch.testing.assert_close(Bilateral(SMALL)(shown, decision), wanted)
    coefficients = cells.view(1, 12, 1, 1).expand(1, 12, 20, 30)
    torch.testing.assert_close(transformed(shown, coefficients), wanted)


def test_the_guide_is_what_its_equations_give_by_hand() -> None:
    guide = Guide(2).requires_grad_(False)
    guide.colours.weight.copy_(torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 2]])[:, :, None, None])
    guide.colours.bias.copy_(torch.tensor([0.1, 0, 0]))
    guide.knots.copy_(torch.tensor([[0.0, 0, 0], [0.5, 0.25, 0.5]])[:, :, None, None])
    guide.slopes.copy_(torch.tensor([[1.0, 1, 1], [2, 4, -1]])[:, :, None, None])
    guide.mixed.weight.copy_(torch.tensor([0.5, 0.25, 1]).view(1, 3, 1, 1))
    guide.mixed.bias.fill_(0.01)
    # R, G, B = 0.3, 0.6, 0.4 become 0.7, 0.3, 0.8; curves: 0.7 + 2·0.2, 0.3 + 4·0.05, 0.8 − 0.3.
    found = guide(torch.tensor([0.3, 0.6, 0.4]).view(1, 3, 1, 1))
    assert found.item() == pytest.approx(0.5 * 1.1 + 0.25 * 0.5 + 0.5 + 0.01)


def test_a_fresh_guide_is_the_mean_of_the_channels() -> None:
    shown = photo()
    torch.testing.assert_close(Guide(16)(shown), shown.mean(1, keepdim=True))


def test_a_fresh_network_hardly_changes_a_photo() -> None:
    for seed in range(3):
        torch.manual_seed(seed)
        assert psnr_db(Bilateral(BilateralConfig())(photo()), photo()) > 30


def test_the_defaults_are_the_papers_sizes() -> None:
    network = Bilateral(BilateralConfig())
    assert network.decide([photo()]).grid.shape == (1, 12, 8, 16, 16)
    assert [layer.out_channels for layer in network.low.splat[::2]] == [8, 16, 32, 64]


@pytest.mark.parametrize("size", [(250, 331), (1, 1), (3, 200), (200, 3)])
def test_tiles_and_strips_give_the_whole_photos_pixels(size: tuple[int, int]) -> None:
    network, shown = busy(), photo(*size)
    height, width = shown.shape[-2:]
    strips = shown.split(max(1, height // 3), 2)
    decision = network.decide(iter(strips))
    whole, top, left = network(shown), height // 3, width // 2
    tile = network(shown[..., top:, left:], decision, Place(top, left, height, width))
    torch.testing.assert_close(tile, whole[..., top:, left:], atol=1e-5, rtol=1e-5)
    assert (whole - shown).abs().max() > 10 * LEVEL


def test_a_preview_gets_the_same_decision() -> None:
    network, shown = busy(), photo(240, 320)
    preview = network.decide([functional.avg_pool2d(shown, 2)])
    assert (network(shown, preview) - network(shown)).abs().max() < LEVEL


@pytest.mark.parametrize("config", [PAIRED, UNPAIRED], ids=lambda config: config.name)
def test_a_resumed_training_is_exact(config: MethodConfig) -> None:
    def run(one: Learner, steps: range) -> Learner:
        for step in steps:
            source, target = torch.rand(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
            one.learn(Batch(source, target, total=4))
        return one

    straight, cut, resumed = run(learner(config), range(4)), run(learner(config), range(2)), learner(config)
    resumed.load_state_dict(load(save({k: v.contiguous() for k, v in cut.state_dict().items()})))
    run(resumed, range(2, 4))
    expected, state = straight.state_dict(), resumed.state_dict()
    assert [name for name in expected if not torch.equal(expected[name], state[name])] == []


def test_pairs_teach_the_truth_of_photos_that_were_not_learned_from() -> None:
    one, truth, held = learner(PAIRED, 3e-3), reduced(), reduced(("cat",))
    for step in range(80):
        shown = truth.flip(3) if step % 2 else truth
        one.learn(Batch(camera(shown), shown, total=4))
    with torch.no_grad():
        gained = psnr_db(one.generator(camera(held)), held) - psnr_db(camera(held), held)
    assert gained > 5


def test_good_photos_in_another_order_bring_dark_ones_nearer_to_their_truth() -> None:
    one, truth = learner(UNPAIRED, 5e-4), reduced()
    target = truth[[2, 0, 3, 1]].flip(3)
    for step in range(60):
        dark, good = (shown.flip(3) if step % 2 else shown for shown in (camera(truth), target))
        one.learn(Batch(dark, good, total=4))
    with torch.no_grad():
        gained = psnr_db(one.generator(camera(truth)), truth) - psnr_db(camera(truth), truth)
    assert gained > 2


def test_a_generator_that_changes_nothing_pays_nothing_for_content_and_identity() -> None:
    one = learner(UNPAIRED)
    torch.nn.init.zeros_(one.method.generator.low.grid.weight)
    one.learn(Batch(reduced(), reduced(), total=4))
    losses = one.read_losses()
    assert losses["generator/content"] < 1e-9
    assert losses["generator/identity"] < 1e-6


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"side_px": 0}, "side_px must be at least 1, not 0"),
        ({"depth": 0}, "depth must be at least 1, not 0"),
        ({"cells": 6}, "cells must be a multiple of 4, not 6"),
        ({"cells": 0}, "cells must be a multiple of 4, not 0"),
    ],
)
def test_sizes_that_no_network_can_have_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(SMALL, **settings)
