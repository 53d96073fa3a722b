"""UPE: bounds, losses and slopes of the illumination, and dark photos that come nearer to their truth."""

import math

import pytest
import torch
from skimage import data
from torch.nn import functional

from wespe.batch import Batch
from wespe.generator import Place
from wespe.learner import Learner, LearnerConfig
from wespe.losses import EDGE_POWER, LEAST_EDGE, colour_angle, psnr_db, uneven_illumination_loss
from wespe.methods import build_method
from wespe.methods.upe import LossWeights, Scene, Upe, UpeConfig
from wespe.networks.bilateral import BilateralConfig
from wespe.networks.illumination import Illuminated, bounded, enhanced
from wespe.optimisers import OptimiserConfig

SIZE = 32
CONFIG = UpeConfig(generator=BilateralConfig(side_px=16, width=8, halvings=2, cells=4, depth=4, knots=4))


def method() -> Upe:
    torch.manual_seed(0)
    return build_method(CONFIG, size_px=SIZE)  # type: ignore[return-value]


def busy() -> Illuminated:
    """An illumination that differs much from place to place."""
    torch.manual_seed(0)
    network = Illuminated(CONFIG.generator).requires_grad_(False)
    network.low.grid.weight.mul_(100)
    return network


def reduced(*kinds: str) -> torch.Tensor:
    """Whole photos as squares."""
    shown = [torch.from_numpy(getattr(data, kind)()).permute(2, 0, 1)[None] / 255 for kind in kinds]
    return torch.cat([functional.adaptive_avg_pool2d(one, SIZE) for one in shown])


def degrees(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    first, second = (torch.tensor(colour, dtype=torch.float).view(1, 3, 1, 1) for colour in (one, other))
    return math.degrees(colour_angle(first, second).item())


def test_full_illumination_is_the_identity() -> None:
    photo = torch.rand(1, 3, 5, 7)
    assert torch.equal(enhanced(photo, torch.ones_like(photo)), photo)


def test_a_fresh_network_hardly_changes_a_photo() -> None:
    photo = torch.rand(1, 3, 40, 50)
    for seed in range(3):
        torch.manual_seed(seed)
        assert psnr_db(Illuminated(BilateralConfig())(photo), photo) > 30


def test_the_illumination_stays_between_the_photo_and_1_and_so_do_photos() -> None:
    photo = torch.rand(4, 3, 24, 24)
    photo[:, :, :4], photo[:, :, -4:] = 0, 1
    network = busy()
    illumination = network.illumination(photo)
    assert (illumination >= photo).all()
    assert (illumination <= 1).all()
    assert illumination.std() > 0.05
    shown = network(photo)
    assert shown.isfinite().all()
    assert (shown >= photo).all()
    assert (shown <= 1).all()
    assert not shown[:, :, :4].any()  # black stays black


def test_beyond_the_bounds_only_gradients_that_lead_back_pass() -> None:
    """Protects from dying: after one step too far, a clamp has no gradient ever again."""
    photo = torch.full((6,), 0.5)
    values = torch.tensor([0.4, 0.4, 0.7, 0.7, 1.2, 1.2]).requires_grad_()
    bounded(values, photo).backward(torch.tensor([1.0, -1, 1, -1, 1, -1]))
    assert values.grad is not None
    assert values.grad.tolist() == [0, -1, 1, -1, 1, 0]


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ((1, 0, 0), (1, 1, 0), 45),
        ((1, 0, 0), (0, 1, 0), 90),
        ((0.2, 0.4, 0.6), (0.1, 0.2, 0.3), 0),
        ((1, 1, 1), (1, 0, 0), math.degrees(math.acos(1 / math.sqrt(3)))),
        ((0, 0, 0), (0.3, 0.5, 0.1), 0),  # black has no colour, and agrees with all
    ],
)
def test_angles_by_hand(one: tuple[float, ...], other: tuple[float, ...], wanted: float) -> None:
    assert degrees(one, other) == pytest.approx(wanted, abs=0.02)


def test_smoothness_by_hand() -> None:
    """A photo with one vertical edge, and an illumination that changes by the same amount along both axes."""
    photo = torch.tensor([[0.1, 0.4], [0.1, 0.4]]).expand(1, 3, 2, 2)
    illumination = torch.tensor([[0.5, 0.7], [0.3, 0.5]]).expand(1, 3, 2, 2)
    edge = math.log(0.4001 / 0.1001)
    across = 3 * 0.2**2 / (edge**EDGE_POWER + LEAST_EDGE)
    down = 3 * 0.2**2 / LEAST_EDGE
    found = uneven_illumination_loss(illumination, photo)
    assert found.item() == pytest.approx(across + down, rel=1e-4)


def test_reconstruction_is_summed_over_channels_and_nothing_is_left_of_it_at_the_truth() -> None:
    one, truth = method(), reduced("astronaut")
    dark = Batch(0.25 * truth, truth, total=1)
    at_truth = one.losses(one.networks, Scene(dark, torch.full_like(truth, 0.25)))
    assert max(loss.item() for loss in at_truth.values()) < 1e-3
    untouched = one.losses(one.networks, Scene(dark, torch.ones_like(truth)))
    wanted = 3 * (0.75 * truth).square().mean()
    assert untouched["reconstruction"].item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_weights_are_the_papers() -> None:
    assert vars(LossWeights()) == {"reconstruction": 1.0, "smooth": 2.0, "colour": 0.2}


def test_black_photos_and_black_truths_have_finite_gradients() -> None:
    one = method()
    bright = torch.rand(2, 3, SIZE, SIZE)
    for source, truth in ((0 * bright, bright), (bright, 0 * bright), (0 * bright, 0 * bright)):
        scene = one.render(one.networks, Batch(source, truth, total=2))
        torch.stack(list(one.losses(one.networks, scene).values())).sum().backward()
        gradients = [p.grad for p in one.parameters() if p.grad is not None]
        assert gradients
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("size", [(50, 70), (1, 1), (3, 90)])
def test_tiles_give_the_whole_photos_pixels(size: tuple[int, int]) -> None:
    network, photo = busy(), torch.rand(1, 3, *size)
    height, width = size
    decision = network.decide(photo.split(max(1, height // 3), 2))
    top, left = height // 3, width // 2
    tile = network(photo[..., top:, left:], decision, Place(top, left, height, width))
    torch.testing.assert_close(tile, network(photo)[..., top:, left:], atol=1e-5, rtol=1e-5)


def test_dark_photos_that_were_not_learned_from_come_nearer_to_their_truth() -> None:
    truth, held = reduced("astronaut", "coffee", "chelsea", "rocket"), reduced("cat")
    one = Learner(method(), LearnerConfig(optimiser=OptimiserConfig(learning_rate=2e-3)))
    for step in range(100):
        shown = truth.flip(3) if step % 2 else truth
        one.learn(Batch(0.3 * shown, shown, total=4))
    with torch.no_grad():
        gained = psnr_db(one.generator(0.3 * held), held) - psnr_db(0.3 * held, held)
    assert gained > 5
