"""MUSPE: bands sum to the photo, slices stay orthogonal, penalties are as printed, and it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from skimage import data
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from wespe.adversarial import GAMES
from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.lipschitz import LipschitzConfig, LipschitzWeight
from wespe.losses import psnr_db
from wespe.methods import build_method
from wespe.methods.muspe import LossWeights, Muspe, MuspeConfig, reduction_at
from wespe.networks.sliced_critic import SlicedCriticConfig, Slices
from wespe.networks.two_stream import TwoStream, TwoStreamConfig
from wespe.optimisers import OptimiserConfig
from wespe.penalty import gradient_norms, one_sided_penalty
from wespe.views import BlurConfig, frequency_bands, gaussian_kernel

CONFIG = MuspeConfig(
    generator=TwoStreamConfig(widths=(4, 4)), critic=SlicedCriticConfig(width=4, halvings=2, slices=6)
)
SIZE = 32
RATES = {"generator": 5e-4, "critics": 3e-3}
STREAMS = ("parallel", "cascade", "additive", "multiplicative")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def learner(config: MuspeConfig = CONFIG, **settings) -> Learner:
    return Learner(build_method(config, size_px=SIZE), LearnerConfig(**settings), steps=4)


def batch(seed: int) -> Batch:
    source, target = torch.rand(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return Batch(source, target, total=4)


def directions(one: Learner) -> list[torch.Tensor]:
    return [part.directions() for part in one.method.modules() if isinstance(part, Slices)]


# The divisions


def test_bands_sum_to_the_photo_and_low_ones_are_blurred() -> None:
    photos = torch.rand(2, 3, SIZE, SIZE)
    low, high = frequency_bands(photos, gaussian_kernel(BlurConfig()))
    torch.testing.assert_close(low + high, photos)
    assert low.std() < 0.2 * photos.std()
    flat = torch.full_like(photos, 0.3)
    torch.testing.assert_close(frequency_bands(flat, gaussian_kernel(BlurConfig()))[0], flat)


@pytest.mark.parametrize("streams", STREAMS)
def test_streams_add_and_multiply_by_hand(streams: str) -> None:
    """With constant maps a and b each stream is arithmetic."""
    generator, photo, a, b = (
        TwoStream(TwoStreamConfig(widths=(4, 4), streams=streams)),
        torch.rand(1, 3, 5, 7),
        0.5,
        0.1,
    )
    alone = {"additive": b, "multiplicative": a}
    constants = [alone[streams]] * 3 if streams in alone else [a] * 3 + [b] * 3
    generator.maps.bias.data = torch.tensor(constants) / generator.scale
    wanted = {
        "additive": photo + b,
        "multiplicative": photo * (1 + a),
        "cascade": photo * (1 + a) + b,
        "parallel": (photo + b + photo * (1 + a)) / 2,
    }
    torch.testing.assert_close(generator(photo), wanted[streams])


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3)])
def test_a_new_generator_is_the_identity_at_any_size(streams: str, size: tuple[int, int]) -> None:
    photo = torch.rand(2, 3, *size)
    assert torch.equal(TwoStream(TwoStreamConfig(widths=(4, 4, 4), streams=streams))(photo), photo)


def test_directions_are_orthonormal_before_and_after_steps() -> None:
    one = learner(optimiser=OptimiserConfig(learning_rate=0.1))
    before = [found.clone() for found in directions(one)]
    for step in range(3):
        one.learn(batch(step))
    for first, last in zip(before, directions(one), strict=True):
        for found in (first, last):
            torch.testing.assert_close(found.T @ found, torch.eye(6), atol=1e-5, rtol=0)
        assert (first - last).abs().max() > 0.01


def test_a_slice_is_a_function_of_one_direction() -> None:
    """A step along one direction changes what its own 1-D critic says, and no other."""
    slices, features = Slices(8, 3), torch.rand(1, 8)
    slices.outer.data[1:] = 0
    moved = slices(torch.cat([features, features + slices.directions().T]))
    assert moved[1] != moved[0]
    torch.testing.assert_close(moved[2:], moved[:1].expand(2, 1))


def test_each_division_can_be_switched_off() -> None:
    for frequency, slices, critics in ((True, 6, {"low", "high"}), (False, 0, {"photo"})):
        critic = SlicedCriticConfig(width=4, halvings=2, slices=slices)
        method = build_method(
            MuspeConfig(frequency=frequency, critic=critic, generator=CONFIG.generator), size_px=SIZE
        )
        assert isinstance(method, Muspe)
        assert set(method.networks["critics"].of) == critics
        assert any(isinstance(part, Slices) for part in method.modules()) == bool(slices)


def test_training_goes_from_coarse_to_fine_by_shares_of_the_steps() -> None:
    assert [reduction_at((4, 2, 1), step, 6) for step in range(8)] == [4, 4, 2, 2, 1, 1, 1, 1]
    assert reduction_at((4, 2, 1), 0, None) == 1
    method = build_method(CONFIG, size_px=SIZE)
    for step, side in ((0, SIZE // 2), (1, SIZE // 2), (2, SIZE)):
        scene = method.render(
            method.networks, Batch(*torch.rand(2, 4, 3, SIZE, SIZE), total=4, step=step, steps=4)
        )
        assert scene.enhanced.shape[-1] == scene.batch.target.shape[-1] == side


# The critics


def test_a_linear_critic_pays_for_what_its_slope_exceeds_1() -> None:
    """‖∇(w · v)‖ = ‖w‖, whatever the photo; below 1 it pays nothing and is not pushed."""
    views = torch.rand(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    for length in (0.5, 3.0):
        weight = nn.functional.normalize(torch.rand(3, 4, 4, dtype=torch.float64), dim=None) * length
        weight.requires_grad_()
        penalty = one_sided_penalty(gradient_norms((views * weight).sum(dim=(1, 2, 3)), views))
        assert penalty.item() == pytest.approx(max(0, length - 1))
        [slope] = torch.autograd.grad(penalty, weight)
        torch.testing.assert_close(slope, weight.detach() / length * (length > 1))


def test_a_constant_critic_has_no_infinite_gradient() -> None:
    views, weight = torch.rand(2, 3, 4, 4, requires_grad=True), torch.zeros(3, 4, 4, requires_grad=True)
    one_sided_penalty(gradient_norms((views * weight).sum(dim=(1, 2, 3)), views)).backward()
    assert torch.equal(weight.grad, torch.zeros(3, 4, 4))


def test_the_penalty_is_of_fakes_and_reaches_every_weight_of_the_critic() -> None:
    """Twice differentiated, through the slices and the QR decomposition."""
    method = build_method(CONFIG, size_px=SIZE)
    for parameter in method.networks["critics"].parameters():
        parameter.data *= 4
    scene = method.render(method.networks, batch(0))
    losses = method.critic_losses(method.networks, scene)
    (losses["low_penalty"] + losses["high_penalty"]).backward()
    still = {
        n for n, p in method.networks["critics"].named_parameters() if p.grad is None or not p.grad.any()
    }
    assert all(name.endswith(("bias", "offset")) for name in still)  # the critic is linear in pieces
    twice = scene._replace(batch=Batch(scene.batch.source, 0 * scene.batch.target, total=4))
    again = method.critic_losses(method.networks, twice)
    torch.testing.assert_close(again["low_gradient"], losses["low_gradient"])


def test_the_adaptive_weight_follows_a_trace_worked_out_by_hand() -> None:
    """η = ½, two steps of patience; the average starts at 1, and again after each change."""
    lipschitz = LipschitzWeight(LipschitzConfig(weight=10, smoothing=0.5, patience=2), critics=1)
    averages, weights = [], []
    for norm in (3.0, 3.0, 2.0, 1.25, 1.0, 1.04, 0.0, 0.0, 0.0, 0.0):
        lipschitz.adapt(torch.tensor([norm]))
        averages.append(lipschitz.average.item())
        weights.append(lipschitz.weight.item())
    # (1 + 3) / 2 = 2; (2 + 3) / 2 = 2.5 doubles λ; 1.5; 1.375 doubles; 1; 1.02 changes nothing; then halved.
    assert averages == pytest.approx([2, 1, 1.5, 1, 1, 1.02, 1, 0.5, 1, 0.5])
    assert weights == [10, 20, 20, 40, 40, 40, 20, 20, 10, 10]


def test_workers_adapt_to_what_all_have_seen() -> None:
    """Each would otherwise double λ by itself, and their critics would part."""
    method = build_method(CONFIG, size_px=SIZE)
    seen: list[torch.Tensor] = []

    def gather(norms: torch.Tensor) -> torch.Tensor:
        seen.append(norms)
        return torch.stack([norms, torch.full_like(norms, 5.0)])

    method.gather = gather
    method.critic_losses(method.networks, method.render(method.networks, batch(0)))
    torch.testing.assert_close(method.lipschitz.average, torch.lerp(torch.ones(2), (seen[0] + 5) / 2, 0.01))


def test_a_sliced_critic_moves_one_gaussian_onto_another() -> None:
    """The slides' toy: points, a linear generator, one Slices as the critic."""
    target = torch.randn(256, 2) * torch.tensor([1.0, 0.3]) + torch.tensor([2.0, -1.0])
    noise = torch.randn(256, 2)
    generator, critic, game = nn.Linear(2, 2), Slices(2, 2), GAMES["wasserstein"]
    lipschitz = LipschitzWeight(LipschitzConfig(weight=10), critics=1)
    moves = torch.optim.Adam(generator.parameters(), 0.05, (0.0, 0.9))
    judges = torch.optim.Adam(critic.parameters(), 0.02, (0.0, 0.9))
    for step in range(500):
        fakes = generator(noise)
        if step % 3 == 0:
            moves.param_groups[0]["lr"] = 0.05 * (1 - step / 500)
            moves.zero_grad()
            game.generator(critic(fakes)).mean().backward()
            moves.step()
        fakes = fakes.detach().requires_grad_()
        scores = critic(fakes)
        norms = gradient_norms(scores[:, 0], fakes)
        losses = game.fake(scores).mean() + game.real(critic(target)).mean()
        judges.zero_grad()
        (losses + lipschitz.weight[0] * one_sided_penalty(norms)).backward()
        judges.step()
        lipschitz.adapt(norms.mean()[None].detach())
    found = generator(noise)
    assert (found.mean(0) - target.mean(0)).abs().max() < 0.25
    assert (found.std(0) - target.std(0)).abs().max() < 0.25


# The training


def test_a_resumed_training_is_bit_exact_and_remembers_the_penalty_weight() -> None:
    straight, cut, resumed = learner(), learner(), learner()
    straight.load_state_dict(load(save(cut.state_dict())))
    for step in range(4):
        straight.learn(batch(step))
    for step in range(2):
        cut.learn(batch(step))
    resumed.load_state_dict(load(save(cut.state_dict())))
    for step in range(2, 4):
        resumed.learn(batch(step))
    assert {"memory/lipschitz.weight", "memory/lipschitz.average", "memory/lipschitz.waited"} <= set(
        resumed.weights()
    )
    assert all(
        torch.equal(value, resumed.state_dict()[name]) for name, value in straight.state_dict().items()
    )


def test_training_is_the_same_under_distributed_data_parallel(tmp_path: Path) -> None:
    """Its hooks see the penalty's second differentiation, and critics that learn three times a step."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        plain, wrapped = (
            Learner(build_method(CONFIG, size_px=SIZE), LearnerConfig(), wrap, steps=4)
            for wrap in (lambda module: module, DistributedDataParallel)
        )
        wrapped.load_state_dict(load(save(plain.state_dict())))
        for step in range(3):
            plain.learn(batch(step))
            wrapped.learn(batch(step))
    finally:
        distributed.destroy_process_group()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(wrapped.state_dict()[name], value, atol=1e-6, rtol=1e-5)


def patches(photo_hwc: np.ndarray) -> torch.Tensor:
    """Cut photos_nchw of 32×32 pixels, without overlap."""
    photo = torch.from_numpy(photo_hwc.copy()).permute(2, 0, 1).float() / 255
    tiles = photo.unfold(1, SIZE, SIZE).unfold(2, SIZE, SIZE)
    return tiles.flatten(1, 2).transpose(0, 1).contiguous()


def test_unpaired_training_undoes_a_simulated_camera() -> None:
    """It darkens and tints. Source, target and judged patches are of other places."""
    photos = torch.cat([patches(data.coffee()), patches(data.astronaut()), patches(data.cat())])
    first, target, truth = (photos[start::3] for start in range(3))
    camera = 0.65 * torch.tensor([1.0, 0.92, 0.8]).view(3, 1, 1)
    rates = {name: OptimiserConfig(learning_rate=rate, betas=(0.0, 0.9)) for name, rate in RATES.items()}
    one = learner(replace(CONFIG, reductions=(1,)), optimisers=rates, ema_decay=0.9)
    for _ in range(60):
        source, good = (side[torch.randint(len(side), (8,))] for side in (first, target))
        one.learn(Batch(camera * source, good, total=8))
    with torch.no_grad():
        enhanced = one.generator(camera * truth)
    start, end = psnr_db(camera * truth, truth), psnr_db(enhanced, truth)
    assert end > start + 3


def test_critics_are_not_compiled() -> None:
    """torch.compile does not support what a loss differentiates twice."""
    method = build_method(CONFIG, size_px=SIZE)
    assert [type(module) for module in method.compilable] == [TwoStream]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MuspeConfig(reductions=(1, 2)), "end with 1"),
        (lambda: MuspeConfig(reductions=()), "end with 1"),
        (lambda: MuspeConfig(critic_steps=0), "critic_steps must be at least 1"),
        (lambda: SlicedCriticConfig(width=4, halvings=1, slices=5), "at most 4"),
        (lambda: TwoStreamConfig(widths=()), "widths"),
        (lambda: LipschitzConfig(lower=2), "lower and upper"),
        (lambda: LossWeights(identity=-1), "identity must be at least 0"),
        (lambda: build_method(MuspeConfig(reductions=(4, 1)), size_px=32), "patches of 32 px, reduced by 4"),
    ],
)
def test_settings_out_of_range_are_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
