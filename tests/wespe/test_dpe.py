"""Deep Photo Enhancer: its equations by hand, norms that do not mix, λ, and photos at full size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from skimage import data
from torch.nn import functional

from wespe.batch import Batch
from wespe.generator import Place
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.dpe import Dpe, DpeConfig, LossWeights, Scene
from wespe.networks.change import apply_change, fit_change
from wespe.networks.photo_critic import PhotoCriticConfig
from wespe.networks.thumbnail import thumbnails
from wespe.networks.unet import ThumbnailUNet, UNet, UNetConfig
from wespe.optimisers import OptimiserConfig
from wespe.penalty import AdaptiveWeight, PenaltyConfig, between, gradient_norms, one_sided_penalty

SIZE, LEVEL = 32, 1 / 255
SMALL = UNetConfig(widths=(4, 8, 8), thumbnail_px=SIZE)
CONFIG = DpeConfig(
    generator=SMALL,
    critic=PhotoCriticConfig(widths=(4, 8, 8), norm="none"),
    weights=LossWeights(identity=1000 * SIZE / 512, cycle=10000 * SIZE / 512),
    penalty=PenaltyConfig(weight=100),
    critic_steps=1,
)


def learner(config: DpeConfig = CONFIG, seed: int = 0) -> Learner:
    torch.manual_seed(seed)
    adam = OptimiserConfig(learning_rate=5e-3, betas=(0.5, 0.9))
    return Learner(
        build_method(config, size_px=SIZE),
        LearnerConfig(optimiser=adam, precision="fp32"),
        seed=seed,
    )


def random_batch(seed: int) -> Batch:
    source, target = torch.rand(2, 3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return Batch(source, target, total=3)


def unet(strength: float = 0.1) -> UNet:
    """One that changes photos, and has seen some."""
    torch.manual_seed(0)
    one = UNet(SMALL)
    torch.nn.init.normal_(one.output.weight, std=strength)
    for step in range(20):
        one(random_batch(step).source, "photo")
    return one.eval().requires_grad_(False)


def enhancer() -> ThumbnailUNet:
    one = ThumbnailUNet(SMALL).eval().requires_grad_(False)
    one.unet = unet()
    return one


def photo(height: int = 120, width: int = 160) -> torch.Tensor:
    shown = Image.fromarray(data.chelsea()).resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 255


# Individual batch norm


def statistics(one: UNet, role: str) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in one.named_buffers() if f".norms.{role}." in name}


def test_the_norms_of_the_two_roles_do_not_mix() -> None:
    """Protects: photos are enhanced with the statistics of photos, whatever else training has rendered."""
    torch.manual_seed(0)
    one, shown = UNet(SMALL), random_batch(0).source
    before = statistics(one, "photo")
    one(shown, "rendered")
    assert all(torch.equal(value, before[name]) for name, value in statistics(one, "photo").items())
    rendered = statistics(one, "rendered")
    one(shown, "photo")
    assert all(torch.equal(value, rendered[name]) for name, value in statistics(one, "rendered").items())
    assert not any(
        torch.equal(value, before[name])
        for name, value in statistics(one, "photo").items()
        if name.endswith("running_mean")
    )


def test_everything_but_the_norms_is_shared_by_the_roles() -> None:
    one, shown = unet(), photo(SIZE, SIZE)
    assert not torch.equal(one(shown, "photo"), one(shown, "rendered"))
    for layer in (*one.encoder, one.joint, *one.decoder):
        layer.norms["rendered"].load_state_dict(layer.norms["photo"].state_dict())
    assert torch.equal(one(shown, "photo"), one(shown, "rendered"))


def test_each_half_of_a_cycle_has_its_role() -> None:
    method = build_method(CONFIG, size_px=SIZE)
    roles: list[tuple[str, str]] = []
    generators = method.networks["generators"]
    for name, one in (("G", generators.enhance.unet), ("G'", generators.weaken)):
        one.register_forward_pre_hook(lambda module, given, name=name: roles.append((name, given[1])))
    batch = random_batch(0)
    method.render(method.networks, batch)
    assert sorted(roles) == [("G", "photo"), ("G", "rendered"), ("G'", "photo"), ("G'", "rendered")]


def test_training_sees_photos_at_the_size_at_which_they_will_be_enhanced() -> None:
    """Protects: a network that has learned at another scale is wrong in silence."""
    method = build_method(CONFIG, size_px=96)
    photos = torch.rand(2, 3, 96, 96)
    rendered = method.render(method.networks, Batch(photos, 1 - photos, total=2))
    torch.testing.assert_close(rendered.batch.source, functional.adaptive_avg_pool2d(photos, SIZE))
    assert {one.shape[-1] for one in rendered[1:]} == {SIZE}
    with pytest.raises(ValueError, match="thumbnail_px is 32; it must be at most 16"):
        build_method(CONFIG, size_px=16)


def test_the_whole_photo_has_effect_everywhere() -> None:
    """Protects the global feature: one corner changes the opposite one, 300 px beyond any convolution."""
    one, side = unet(), 512
    shown = torch.full((1, 3, side, side), 0.5)
    brighter = shown.clone()
    brighter[..., :64, :64] = 1
    assert (one(brighter, "photo") - one(shown, "photo"))[..., -32:, -32:].abs().max() > 1e-5


# Losses


def test_the_penalty_of_a_linear_critic_is_what_its_norm_exceeds_one_by() -> None:
    views = torch.rand(5, 3, 4, 4, requires_grad=True)
    direction = torch.randn(3, 4, 4)
    for norm, wanted in ((3.0, 2.0), (1.0, 0.0), (0.2, 0.0)):
        weights = (norm * direction / direction.norm()).requires_grad_()
        found = one_sided_penalty(gradient_norms((views * weights).sum((1, 2, 3)), views))
        assert found.item() == pytest.approx(wanted, abs=1e-5)
        if norm == 3:  # of |w| − 1, the gradient is w / |w|
            found.backward()
            torch.testing.assert_close(weights.grad, direction / direction.norm(), atol=1e-5, rtol=0)


def test_a_flat_critic_has_a_finite_gradient() -> None:
    views, weights = torch.rand(2, 3, 4, 4, requires_grad=True), torch.zeros(3, 4, 4, requires_grad=True)
    one_sided_penalty(gradient_norms((views * weights).sum((1, 2, 3)), views)).backward()
    assert torch.isfinite(weights.grad).all()


def test_mixed_photos_lie_between_real_and_fake_and_follow_from_the_seed() -> None:
    real, fake = torch.zeros(64, 3, 2, 2), torch.ones(64, 3, 2, 2)
    first, again = (between(real, fake, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first.amin((1, 2, 3)), first.amax((1, 2, 3)))  # one share for all of a photo
    assert 0 <= first.min() < 0.2 < 0.8 < first.max() <= 1


class Sums(torch.nn.Module):
    """Critics whose scores are the sums of the photos, and of twice the photos."""

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return source.sum((1, 2, 3)), 2 * target.sum((1, 2, 3))


def scene() -> Scene:
    """Photos of one pixel and one channel, repeated to three."""

    def tones(*values: float) -> torch.Tensor:
        return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 1, 1).clone()

    batch = Batch(tones(0.1, 0.2), tones(0.8, 0.6), total=2, random=torch.Generator())
    return Scene(batch, tones(0.5, 0.4), tones(0.3, 0.3), tones(0.1, 0.4), tones(0.7, 0.6))


def test_the_generators_losses_are_the_equations() -> None:
    method = build_method(CONFIG, size_px=SIZE)
    losses = method.generator_losses({"critics": Sums()}, scene())
    assert losses["adversarial"].item() == pytest.approx(-3 * 0.3 - 2 * 3 * 0.45)
    assert losses["identity"].item() == pytest.approx((0.4**2 + 0.2**2) / 2 + (0.5**2 + 0.3**2) / 2)
    assert losses["cycle"].item() == pytest.approx(0.2**2 / 2 + 0.1**2 / 2)
    assert vars(DpeConfig().weights) == {"adversarial": 1, "identity": 1000, "cycle": 10000}  # α, 10 α


def test_the_critics_losses_are_the_equations() -> None:
    method = build_method(CONFIG, size_px=SIZE)
    losses = method.critic_losses({"critics": Sums()}, scene())
    assert losses["source_critic"].item() == pytest.approx(3 * (0.3 - 0.15), abs=1e-5)
    assert losses["target_critic"].item() == pytest.approx(2 * 3 * (0.45 - 0.7), abs=1e-5)
    assert losses["source_penalty"].item() == pytest.approx(100 * (3**0.5 - 1), abs=1e-3)
    assert losses["target_penalty"].item() == pytest.approx(100 * (12**0.5 - 1), abs=1e-3)


def test_fakes_teach_critics_and_not_the_generator() -> None:
    method = build_method(CONFIG, size_px=SIZE)
    rendered = method.render(method.networks, random_batch(0))
    sum(method.critic_losses(method.networks, rendered).values()).backward()
    assert all(parameter.grad is None for parameter in method.networks["generators"].parameters())


# λ


def trace(penalties: list[float], config: PenaltyConfig) -> list[float]:
    weight, found = AdaptiveWeight(config, 1), []
    for penalty in penalties:
        weight.adapt(torch.tensor([penalty]))
        found += [weight.weight.item()]
    return found


def test_a_trace_of_lambda() -> None:
    """Averages of three. After a change three more are awaited; within the bounds nothing changes."""
    config = PenaltyConfig(weight=10, window=3, lower=0.1, upper=1.0)
    penalties = [2.0, 2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    #           wait wait  ×2  wait wait  ok   ok   ×2  wait wait  ½  wait wait  ½  wait
    wanted = [10, 10, 20, 20, 20, 20, 20, 40, 40, 40, 20, 20, 20, 10, 10]
    assert trace(penalties, config) == wanted


def test_each_critic_has_its_own_lambda() -> None:
    weight = AdaptiveWeight(PenaltyConfig(weight=1, window=2, lower=0.1, upper=1), 3)
    for _ in range(2):
        weight.adapt(torch.tensor([5.0, 0.5, 0.0]))
    assert weight.weight.tolist() == [2, 1, 0.5]
    assert weight.seen.tolist() == [0, 2, 0]


def test_lambda_follows_the_mean_over_all_workers() -> None:
    """Protects: λ stays equal on workers, which see different photos."""
    method = build_method(replace(CONFIG, penalty=PenaltyConfig(window=1, upper=0.5)), size_px=SIZE)
    method.gather = lambda values: torch.stack([values, 0 * values, 0 * values])
    method._weighted(torch.tensor([1.0, 3.0]))
    assert method.penalty.weight.tolist() == [10, 20]


def test_a_resumed_training_is_bit_exact_with_its_lambda_and_its_norms() -> None:
    config = replace(CONFIG, penalty=PenaltyConfig(weight=10, window=2), critic_steps=2)
    straight, cut, resumed = learner(config), learner(config), learner(config, seed=9)
    resumed.seed = 0
    for step in range(7):
        straight.learn(random_batch(step))
    for step in range(3):  # within a window, and between two of the generators' turns
        cut.learn(random_batch(step))
    resumed.load_state_dict(load(save({k: v.contiguous() for k, v in cut.state_dict().items()})))
    for step in range(3, 7):
        resumed.learn(random_batch(step))
    after = resumed.state_dict()
    assert not [name for name, value in straight.state_dict().items() if not torch.equal(value, after[name])]
    assert {"memory/penalty.weight", "memory/penalty.recent", "memory/penalty.seen"} <= after.keys()
    assert after["memory/penalty.weight"].tolist() != [10, 10]


# Photos at full size


@pytest.mark.parametrize("cuts", [(), (40,), (1, 2, 77), (13, 14, 99, 119)])
@pytest.mark.parametrize("size", [(120, 160), (120, 3), (120, 1)])
def test_thumbnails_of_strips_are_those_of_the_whole_photo(cuts: tuple[int, ...], size) -> None:
    shown = torch.rand(2, 3, *size)
    strips = shown.tensor_split(cuts, dim=2)
    assert torch.equal(thumbnails(strips, SIZE), thumbnails([shown], SIZE))
    torch.testing.assert_close(thumbnails(strips, SIZE), functional.adaptive_avg_pool2d(shown, SIZE))


def test_at_the_size_of_training_the_result_is_the_networks() -> None:
    """Protects: what was trained is what users get."""
    one, shown = enhancer(), photo(SIZE, SIZE)
    wanted = one.unet(shown, "photo")
    assert (wanted - shown).abs().max() > 10 * LEVEL
    torch.testing.assert_close(one(shown), wanted, atol=2e-6, rtol=0)


def test_a_change_of_tones_is_carried_to_full_size_with_its_edges() -> None:
    """Protects: no halos. Enlarged as it is, the change would be off by much more."""
    shown = photo(480, 640)
    reduced = thumbnails([shown], 96)
    wanted = shown**0.6 * 0.9 + 0.05
    change = fit_change(reduced, reduced**0.6 * 0.9 + 0.05)
    found = apply_change(shown, change)
    enlarged = functional.interpolate(reduced**0.6 * 0.9 + 0.05 - reduced, (480, 640), mode="bilinear")
    error, naive = ((one - wanted).square().mean().sqrt() for one in (found, shown + enlarged))
    assert error < 1.5 * LEVEL
    assert error < 0.6 * naive


def test_an_untrained_network_changes_nothing() -> None:
    shown = photo()
    torch.testing.assert_close(ThumbnailUNet(SMALL).eval()(shown), shown, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (7, 5), (33, 200)])
def test_photos_of_any_size_are_enhanced(size: tuple[int, int]) -> None:
    found = enhancer()(photo(*size))
    assert found.shape[-2:] == size
    assert torch.isfinite(found).all()


def test_a_tile_gets_what_it_gets_within_its_photo() -> None:
    one, shown = enhancer(), photo()
    decision = one.decide(shown.split(50, 2))
    tile = one(shown[..., 20:90, 30:111], decision, Place(20, 30, 120, 160))
    torch.testing.assert_close(tile, one(shown)[..., 20:90, 30:111], atol=1e-6, rtol=0)


def test_a_preview_looks_like_the_result() -> None:
    one, shown = enhancer(), photo(480, 640)
    half = functional.avg_pool2d(shown, 2)
    difference = (one(half) - functional.avg_pool2d(one(shown), 2)).abs()
    assert difference.mean() < LEVEL / 4
    assert difference.max() < 3 * LEVEL


def test_a_photos_result_does_not_depend_on_others() -> None:
    """Protects: batch norm with fixed statistics at inference."""
    one = enhancer()
    pair = torch.cat([photo(), 1 - photo()])
    torch.testing.assert_close(one(pair)[:1], one(photo()), atol=1e-5, rtol=0)


# Learning


def squares(*photos_hwc: np.ndarray) -> torch.Tensor:
    """The photos and their quarters, mirrored too."""
    parts = []
    for one in photos_hwc:
        height, width = (side // 2 for side in one.shape[:2])
        parts += [one, *(one[y : y + height, x : x + width] for y in (0, height) for x in (0, width))]
    small = [np.asarray(Image.fromarray(part).resize((SIZE, SIZE), Image.Resampling.BOX)) for part in parts]
    upright = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2) / 255
    return torch.cat([upright, upright.flip(3)])


def camera(truth: torch.Tensor) -> torch.Tensor:
    return (0.05 + 0.5 * truth * torch.tensor([1.0, 0.9, 0.7]).view(1, 3, 1, 1)).clamp(0, 1)


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return -10 * (one - other).square().mean((1, 2, 3)).log10().mean().item()


def test_unseen_photos_get_nearer_to_the_truth() -> None:
    """Protects: that training helps, without pairs, from photos that neither set shares with the test."""
    small = UNetConfig(widths=(4, 8), thumbnail_px=SIZE)
    one = learner(replace(CONFIG, generator=small, critic=PhotoCriticConfig(widths=(4, 8), norm="none")))
    source, target = camera(squares(data.coffee(), data.rocket())), squares(data.chelsea(), data.retina())
    for step in range(50):
        drawn = torch.Generator().manual_seed(step)
        first, second = (
            photos[torch.randint(len(photos), (6,), generator=drawn)] for photos in (source, target)
        )
        one.learn(Batch(first, second, total=6))
    truth = squares(data.astronaut())
    generator = one.generator.eval()
    with torch.no_grad():
        assert psnr(generator(camera(truth)), truth) > psnr(camera(truth), truth) + 1.5


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: UNetConfig(widths=(8,)), "widths must be at least two"),
        (lambda: UNetConfig(thumbnail_px=16), "thumbnail_px must be at least 32, not 16"),
        (lambda: PhotoCriticConfig(widths=()), "widths must be"),
        (lambda: PenaltyConfig(weight=0), "weight must be above 0"),
        (lambda: PenaltyConfig(window=0), "window must be at least 1"),
        (lambda: PenaltyConfig(lower=0.1, upper=0.1), "lower < upper"),
        (lambda: LossWeights(cycle=-1), "cycle must be at least 0"),
        (lambda: DpeConfig(critic_steps=0), "critic_steps must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_the_method_learns_from_whole_photos() -> None:
    assert Dpe.whole_photos
    assert not Dpe.paired
