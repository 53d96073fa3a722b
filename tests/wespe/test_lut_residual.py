"""Our own method: its start is the yardstick, its LUTs are exact, its detail tiles, its resume is exact."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from wespe.batch import Batch, photos_nchw
from wespe.guard import Guard, GuardConfig
from wespe.histogram_match import HistogramMatch
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_generator, build_method
from wespe.methods.lut_residual import LossWeights, LutResidualConfig
from wespe.networks.activity import Noise, activity, bands, block_activity, quietest
from wespe.networks.detail import Detail, DetailConfig
from wespe.networks.features import ContentConfig
from wespe.networks.lut import Colour, ColourConfig, folding, interpolate, roughness
from wespe.networks.patch_critic import PatchCriticConfig
from wespe.networks.texture import Texture, TextureConfig
from wespe.networks.tone import rolled_off, saturated
from wespe.optimisers import OptimiserConfig
from wespe.sample import Sample
from wespe.set_match import _fit_statistics, fit_curves, fit_texture, histograms, monge_kantorovich, smoothed
from wespe.training import train
from wespe.views import texture_view

CONFIG = LutResidualConfig(
    colour=ColourConfig(
        adapt=0, regress=0, smooth_levels=0, cast_levels=0, evidence=0, side=5, thumbnail_px=16, width=2
    ),
    texture=TextureConfig(match=0, quiet=100, chroma_px=0),
    detail=DetailConfig(width=4, blocks=1),
    critic=PatchCriticConfig(width=4, halvings=2),
    content=ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
    start_patches=16,
)
SIZE = 32


def config_of(learning_rate: float = 5e-4, critics: float | None = None, **settings) -> LearnerConfig:
    """The paper's Adam at this rate, and the critics' at another where one is given."""
    others = {} if critics is None else {"critics": OptimiserConfig(learning_rate=critics)}
    return LearnerConfig(
        optimiser=OptimiserConfig(learning_rate=learning_rate), optimisers=others, **settings
    )


def learner(seed: int = 0, config: LutResidualConfig = CONFIG, **settings) -> Learner:
    torch.manual_seed(seed)
    return Learner(build_method(config, size_px=SIZE), config_of(**settings))


def patches(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dim and greenish ones, and bright ones: uint8 (4, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, 160, (4, SIZE, SIZE, 3)) * np.array([0.8, 1, 0.7])
    return source.astype(np.uint8), rng.integers(40, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)


def batches(start: int = 0):
    for step in count(start):
        source, target = (photos_nchw(torch.from_numpy(side), "cpu") for side in patches(step))
        yield Batch(source, target, total=4)


def sample(photos_nchw: torch.Tensor) -> Sample:
    """Each patch is from a photo of its own."""
    levels = (photos_nchw * 255).round().byte().permute(0, 2, 3, 1)
    return Sample(levels, torch.arange(len(levels)))


def levels_of(photos_nchw: torch.Tensor) -> torch.Tensor:
    return sample(photos_nchw).photo_means(histograms)


def samples(steps: int = 4) -> tuple[Sample, Sample]:
    """Of the first steps' patches."""
    sides = zip(*(patches(step) for step in range(steps)), strict=True)
    source, target = (
        Sample(torch.from_numpy(np.concatenate(side)), torch.arange(4 * steps)) for side in sides
    )
    return source, target


def prepared(one: Learner) -> Learner:
    one.prepare(*samples())
    return one


def run(one: Learner, stream, steps: int) -> Learner:
    guard = Guard(GuardConfig(min_psnr_db=0), one)
    for _ in train(one, stream, guard, steps=steps, due=lambda step: False):
        pass
    return one


def test_step_zero_is_the_initial_transform_in_bfloat16_too() -> None:
    """Else training is drawn to colours that rounding made."""
    one = learner(config=LutResidualConfig(content=CONFIG.content, start_patches=16))
    one.prepare(*samples())
    source, target = (photos_nchw(torch.from_numpy(side), "cpu") for side in patches(5))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        started, enhanced, *_ = one.method.networks["generator"](source, target)
    torch.testing.assert_close(enhanced.float(), started.float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("photo", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("shape", [(1, 1), (5, 17), (40, 33)])
def test_flat_photos_give_valid_results(photo: float, shape: tuple[int, int]) -> None:
    one = learner(config=LutResidualConfig(content=CONFIG.content, start_patches=16))
    one.prepare(*samples())
    with torch.no_grad():
        enhanced = one.generator(torch.full((1, 3, *shape), photo))
    assert enhanced.shape == (1, 3, *shape)
    assert enhanced.min() >= -1e-5
    assert enhanced.max() <= 1 + 1e-5


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_step_zero_is_the_fitted_baseline(ema_decay: float) -> None:
    """Also what users get of it: the moving average."""
    one = learner(ema_decay=ema_decay)
    one.prepare(*samples())
    seen = [patches(step) for step in range(4)]
    sources, targets = (np.concatenate(sides) for sides in zip(*seen, strict=True))
    yardstick = HistogramMatch.fit(sources, targets)
    photo = patches(99)[0][0]
    with torch.no_grad():
        enhanced = one.generator(photos_nchw(torch.from_numpy(photo)[None], "cpu")).clamp(0, 1)
    levels = (enhanced[0].permute(1, 2, 0) * 255).round().numpy()
    matched = yardstick.enhance(photo)
    assert np.abs(levels - matched)[matched < 225].max() <= 1  # highlights roll off
    assert np.abs(levels - photo).max() > 20


def test_photos_get_the_brightness_and_contrast_that_their_set_lacks() -> None:
    """Photos that differ more among themselves than the target's are brought nearer to them."""
    source = torch.rand(8, 3, 16, 16) * 0.2 + torch.linspace(0.1, 0.7, 8)[:, None, None, None]
    target = torch.rand(8, 3, 16, 16) * 0.2 + torch.linspace(0.3, 0.5, 8)[:, None, None, None]
    one = learner(config=replace(CONFIG, colour=replace(CONFIG.colour, adapt=1, most=100)))
    one.method.prepare(sample(source), sample(target))
    with torch.no_grad():
        means = one.generator(source).mean(dim=(1, 2, 3))
    wanted = target.mean(dim=(1, 2, 3))
    assert means.std().item() == pytest.approx(wanted.std().item(), rel=0.15)
    assert means.mean().item() == pytest.approx(wanted.mean().item(), abs=0.02)


def test_brightness_regresses_to_the_target_s_mean() -> None:
    source = torch.rand(8, 3, 16, 16) * 0.2 + torch.linspace(0.1, 0.7, 8)[:, None, None, None]
    one = learner(config=replace(CONFIG, colour=replace(CONFIG.colour, regress=0.5)))
    _fit_statistics(one.generator.colour, sample(source), sample(source), share=1)
    with torch.no_grad():
        means = one.generator(source).mean(dim=(1, 2, 3))
    assert means.std().item() == pytest.approx(source.mean(dim=(1, 2, 3)).std().item() / 2, rel=0.05)
    assert means.mean().item() == pytest.approx(source.mean().item(), abs=0.01)


def scenes(noise: float, contrast: float, seed: int) -> torch.Tensor:
    """Grey photos, flat on the left and striped on the right."""
    rng = torch.Generator().manual_seed(seed)
    stripes = torch.zeros(8, 1, 32, 64)
    stripes[..., 32:] = contrast * (torch.arange(32) // 3 % 2 - 0.5)
    grain = noise * torch.randn(8, 1, 32, 64, generator=rng)
    return (0.5 + stripes + grain).expand(-1, 3, -1, -1).clamp(0, 1)


def noise(photos_nchw: torch.Tensor) -> Noise:
    return Noise(quietest(block_activity(photos_nchw)), torch.ones(1, 1, 1, 1))


def test_texture_loses_the_source_s_noise_and_gets_the_target_s_detail() -> None:
    source, target = scenes(0.03, 0.2, 0), scenes(0.01, 0.3, 1)
    texture = Texture(TextureConfig(match=1, chroma_px=0))
    fit_texture(texture, sample(source), sample(target), lambda patches: patches)
    enhanced = texture(scenes(0.03, 0.2, 2), noise(scenes(0.03, 0.2, 2)))
    flat, striped = (photos[..., 8:24].std() for photos in enhanced.split(32, dim=3))
    assert flat < 0.6 * 0.03
    assert striped > 1.15 * source[..., 40:56].std()


def test_texture_of_a_tile_is_that_of_the_photo_and_nothing_until_fitted() -> None:
    photo, texture = torch.rand(1, 3, 60, 60, dtype=torch.double), Texture(TextureConfig()).double()
    quiet = noise(photo)
    torch.testing.assert_close(texture(photo, quiet), photo, atol=1e-12, rtol=0)
    texture.gains.copy_(torch.linspace(0, 2, 256))
    texture.fitted.fill_(1)
    whole, tile = texture(photo, quiet), texture(photo[..., :50, 5:55], quiet)
    torch.testing.assert_close(tile[..., :30, 20:30], whole[..., :30, 25:35], atol=1e-12, rtol=0)
    assert not torch.allclose(whole, photo, atol=1e-2)


def test_a_photo_noisier_than_its_set_does_not_get_its_noise_sharpened() -> None:
    """Protects: dark photos in a set of sunny ones, whose detail is as active as the noise in the dark."""
    source, target, dark = scenes(0.01, 0.1, 0), scenes(0.01, 0.3, 1), scenes(0.06, 0.2, 2)
    texture = Texture(TextureConfig(match=1))
    fit_texture(texture, sample(source), sample(target), lambda patches: patches)
    flat, before = (photos[..., 8:24].std() for photos in (texture(dark, noise(dark)), dark))
    assert flat < 0.95 * before
    silent = Noise(torch.zeros(8, 3, 1, 1), torch.ones(1, 1, 1, 1))
    assert texture(dark, silent)[..., 8:24].std() > 1.1 * before, "without its own floor"


def test_noise_is_not_amplified_where_the_curves_are_steep() -> None:
    """Protects: shadows, where tone curves amplify noise most."""
    rng = torch.Generator().manual_seed(0)
    dark, bright = (level + 0.01 * torch.randn(4, 3, 32, 32, generator=rng) for level in (0.06, 0.6))
    colour, texture = Colour(ColourConfig(adapt=0, regress=0, smooth_levels=8)), Texture(TextureConfig())
    ramp = torch.rand(64, 3, 32, 32, generator=rng)
    fit_curves(colour, *map(levels_of, (ramp.square(), ramp)))
    texture.fitted.fill_(1)
    photo = torch.cat([dark, bright], dim=3)
    matched = colour.matched(photo)
    noise = colour.noise(matched, colour.decide_matched(matched))
    lifted = matched[..., 8:24].std((2, 3)).mean()
    assert noise.louder[..., 8:24].mean() > 1.5 * noise.louder[..., 40:56].mean()
    enhanced = texture(colour.start(photo), noise)[..., 8:24].std((2, 3)).mean()
    assert enhanced < 1.1 * photo[..., 8:24].std((2, 3)).mean() < lifted


def test_block_activity_of_a_photo_equals_that_of_its_strips() -> None:
    photo = torch.rand(2, 3, 70, 50, dtype=torch.double)
    strips = torch.cat([block_activity(photo[:, :, :32]), block_activity(photo[:, :, 32:])], dim=2)
    torch.testing.assert_close(strips, block_activity(photo), atol=1e-12, rtol=0)
    assert block_activity(photo[..., :5, :3]).shape == (2, 3, 1, 1)


def test_activity_is_logarithmic() -> None:
    split = bands(torch.rand(1, 1, 32, 32, dtype=torch.double))
    steps = [(activity(split * 2 * scale) - activity(split * scale)).mean() for scale in (0.1, 0.5)]
    assert steps[0] == pytest.approx(steps[1].item(), rel=1e-3)


def test_the_linear_map_between_two_distributions_gives_the_desired_mean_and_covariance() -> None:
    rng = torch.Generator().manual_seed(0)
    clouds = [
        torch.randn(500, 2, generator=rng, dtype=torch.double) @ torch.rand(2, 2).double() for _ in "ab"
    ]
    source, target = ((c.mean(0), torch.cov(c.T)) for c in clouds)
    slope, offset = monge_kantorovich(source, target)
    moved = clouds[0] @ slope.T + offset
    torch.testing.assert_close(moved.mean(0), target[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(moved.T), target[1], atol=1e-4, rtol=1e-3)


def test_smooth_curves_have_no_bumps_and_never_fall() -> None:
    steps = torch.rand(3, 256, generator=torch.Generator().manual_seed(0)) > 0.9
    curves = steps.float().cumsum(1) / 40
    smooth = smoothed(curves, 24)
    assert smooth.diff(dim=1).min() > -1e-6
    assert smooth.diff(dim=1).diff(dim=1).abs().max() < 0.05 * curves.diff(dim=1).diff(dim=1).abs().max()
    assert torch.equal(smoothed(curves, 0), curves)
    identity = torch.linspace(0, 1, 256).repeat(3, 1)
    torch.testing.assert_close(smoothed(identity, 24), identity)


def test_casts_ignore_that_one_set_shows_more_of_a_colour() -> None:
    """Both sets are taken by one camera with a cast of blue; one shows a red thing that the other lacks."""
    rng = torch.Generator().manual_seed(0)
    source = torch.rand(1, 3, 256, 256, generator=rng).square()
    target = source + torch.tensor([0, 0, 0.1]).view(1, 3, 1, 1) * (1 - source)
    target[:, 0, :, :64] = 0.5 + 0.05 * torch.rand(256, 64, generator=rng)
    bumps = {}
    for cast_levels in (0, 128):
        one = Colour(ColourConfig(smooth_levels=0, cast_levels=cast_levels, evidence=0))
        fit_curves(one, *map(levels_of, (source, target)))
        assert one.curves.diff(dim=1).min() >= 0
        cast = one.curves[2] - one.curves.mean(0)
        assert cast[40:200].mean() == pytest.approx(0.04, abs=0.03)
        bumps[cast_levels] = (one.curves[0] - one.curves[1]).diff().abs().max()
    assert bumps[128] < 0.6 * bumps[0]


@pytest.mark.parametrize(("gain", "shift"), [(1.4, -0.2), (1.4, 0.1), (0.7, 0.4), (1.5, 0.5), (2.0, -1.2)])
def test_tones_roll_off_instead_of_clipping(gain: float, shift: float) -> None:
    ramp = torch.linspace(0, 1, 1001).view(1, 1, 1, -1)
    straight = gain * ramp + shift
    lit = rolled_off(straight, straight[..., :1], straight[..., -1:])
    assert lit.min() >= -1e-6
    assert lit.max() <= 1 + 1e-6
    assert lit.diff().min() > 0, "every tone stays one of its own"
    between = (straight > 0.11) & (straight < 0.89)
    torch.testing.assert_close(lit[between], straight[between])


def test_tones_that_fit_stay_straight() -> None:
    ramp = torch.linspace(0.1, 0.9, 1001)
    torch.testing.assert_close(rolled_off(ramp, ramp[:1], ramp[-1:]), ramp)


def test_colours_grow_vivid_without_being_clipped() -> None:
    colours = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    grey, faint = torch.full_like(colours, 0.5), 0.5 + 0.05 * (colours - 0.5)
    vivid = saturated(colours, torch.tensor(2.0))
    assert vivid.min() >= -1e-6
    assert vivid.max() <= 1 + 1e-6
    torch.testing.assert_close(texture_view(vivid), texture_view(colours))
    assert (vivid - texture_view(vivid)).abs().mean() > 1.2 * (colours - texture_view(colours)).abs().mean()
    twice = texture_view(faint) + 2 * (faint - texture_view(faint))
    torch.testing.assert_close(saturated(faint, torch.tensor(2.0)), twice, atol=2e-3, rtol=0)
    torch.testing.assert_close(saturated(grey, torch.tensor(2.0)), grey)
    for factor in (1.0, 0.5):
        expected = texture_view(colours) + factor * (colours - texture_view(colours))
        torch.testing.assert_close(saturated(colours, torch.tensor(factor)), expected)


def test_luts_are_interpolated_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    lut, photo = rng.random((3, 4, 4, 4)), rng.random((5, 7, 3))
    found = interpolate(torch.from_numpy(lut)[None], torch.from_numpy(photo).permute(2, 0, 1)[None])
    by_hand = np.zeros_like(photo)
    for place in np.ndindex(5, 7):
        where = photo[place] * 3
        below = np.minimum(where.astype(int), 2)
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(np.where(corner, where - below, 1 - (where - below)))
            by_hand[place] += share * lut[:, *(below + corner)]
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), by_hand, atol=1e-12)


def test_only_steep_and_falling_luts_are_punished() -> None:
    flat = torch.full((1, 3, 5, 5, 5), 0.3)
    assert roughness(flat) == folding(flat) == 0
    falling = torch.zeros(1, 3, 5, 5, 5)
    falling[0, 1] -= torch.linspace(0, 1.5, 5)[None, :, None]  # green out falls as green in rises
    assert roughness(falling) > 0
    assert folding(falling) == pytest.approx(0.5)


def test_detail_of_a_tile_is_that_of_the_photo() -> None:
    torch.manual_seed(0)
    config = DetailConfig(width=4, blocks=2)
    detail, halo = Detail(config).double(), config.halo_px
    nn.init.normal_(detail.tail.weight)
    photo = torch.rand(1, 3, 40, 40, dtype=torch.double)
    with torch.no_grad():
        whole = detail(photo)
        tile = detail(photo[..., 12 - halo : 28 + halo, 12 - halo : 28 + halo])[..., halo:-halo, halo:-halo]
        short = detail(photo[..., 13 - halo : 27 + halo, 13 - halo : 27 + halo])
    torch.testing.assert_close(tile, whole[..., 12:28, 12:28], atol=1e-12, rtol=0)
    assert not torch.allclose(short[..., halo - 1 : 1 - halo, halo - 1 : 1 - halo], whole[..., 12:28, 12:28])


def test_colour_is_decided_once_and_applied_to_any_piece() -> None:
    torch.manual_seed(0)
    colour = Colour(replace(CONFIG.colour, adapt=1)).double()
    nn.init.normal_(colour.luts, std=0.1)
    colour.slope.mul_(0.9)
    photo = torch.rand(1, 3, 24, 24, dtype=torch.double)
    with torch.no_grad():
        piece = colour.apply_decision(colour.matched(photo[..., 5:13, 5:13]), colour.decide(photo))
        torch.testing.assert_close(piece, colour(photo)[..., 5:13, 5:13])


def test_a_resumed_training_goes_on_bit_for_bit() -> None:
    straight = run(prepared(learner(ema_decay=0.9)), batches(), 4)
    cut = run(prepared(learner(ema_decay=0.9)), batches(), 2)
    saved = save({name: value.contiguous() for name, value in cut.state_dict().items()})
    resumed = learner(seed=9, ema_decay=0.9)
    resumed.load_state_dict(load(saved))
    run(resumed, batches(2), 4)
    wanted = straight.state_dict()
    assert {n for n, v in resumed.state_dict().items() if not torch.equal(v, wanted[n])} == set()


def test_a_model_keeps_its_start() -> None:
    one = run(prepared(learner()), batches(), 1)
    alone = build_generator(CONFIG)
    alone.load_state_dict(load(save(one.generator.state_dict())))
    photo = torch.rand(1, 3, 20, 30)
    torch.testing.assert_close(alone(photo), one.generator(photo))


def test_a_roll_back_before_the_first_reading_keeps_the_start() -> None:
    one = prepared(learner())
    guard = Guard(GuardConfig(min_psnr_db=0, rollbacks=1), one)

    def broken():
        yield from (next(batches(step)) for step in range(4))
        yield Batch(next(batches()).source, torch.full((4, 3, SIZE, SIZE), torch.nan), total=4)
        yield next(batches())

    records = list(train(one, broken(), guard, steps=6, due=lambda step: step == 5))
    assert "rolled_back" in records[0]
    assert not torch.equal(one.generator.colour.curves, Colour(CONFIG.colour).curves)


def test_workers_whose_processors_round_differently_come_to_one_start() -> None:
    one = learner()
    one.method.gather = lambda values: torch.stack([values, values + 0.5])
    one.prepare(*samples())
    alone = prepared(learner())
    for name, value in one.generator.colour.named_buffers():
        torch.testing.assert_close(value, dict(alone.generator.colour.named_buffers())[name] + 0.25)
    assert torch.equal(one.start["colour.curves"], one.generator.colour.curves)


def test_each_group_runs_forward_once_a_step_where_it_learns() -> None:
    """What DistributedDataParallel asks for; a second call would hang or sum twice."""
    calls: list[nn.Module] = []

    class Wrapped(nn.Module):
        def __init__(self, module: nn.Module):
            super().__init__()
            self.module = module

        def forward(self, *inputs: torch.Tensor):
            calls.append(self.module)
            return self.module(*inputs)

    torch.manual_seed(0)
    method = build_method(CONFIG, size_px=SIZE)
    one = Learner(method, LearnerConfig(), wrap=Wrapped)
    one.learn(next(batches()))
    assert calls == [method.networks["generator"], method.networks["critics"]]
    reached = [p.grad is not None for p in method.networks.parameters()]
    assert all(reached)


def test_it_costs_at_most_a_fifth_of_wespe_per_pixel() -> None:
    assert multiply_adds(build_generator(LutResidualConfig()).detail) + 3 * 8 * 2 < 400_000 / 5


def multiply_adds(network: nn.Module) -> int:
    """Per pixel, of convolutions at full resolution."""
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("change", [{"texture": -1.0}, {"smooth": -0.1}])
def test_factors_below_zero_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 0"):
        LossWeights(**change)
