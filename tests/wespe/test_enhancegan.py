"""EnhanceGAN: its curves as printed, with finite slopes; filters and crops; a critic that judges first."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import lab2rgb, rgb2lab

from wespe.batch import Batch
from wespe.lab import lab_of, rgb_of
from wespe.learner import Learner, LearnerConfig
from wespe.losses import psnr_db
from wespe.methods import build_method
from wespe.methods.enhancegan import EnhanceGanConfig, LossWeights, Operators, _curves, cropped
from wespe.networks.decider import top_average
from wespe.networks.features import ContentConfig
from wespe.networks.lab_curves import LabCurves, chroma_curve, lightness_curve
from wespe.networks.photo_filters import GLASS, PhotoFilters, coloured
from wespe.optimisers import OptimiserConfig
from wespe.tiling import Tiling

CONTENT = ContentConfig(backbone="resnet18", layers={"layer1": 1.0}, weights="random")
CONFIG = EnhanceGanConfig(content=CONTENT, judging_steps=0)
A, B, P, Q = (torch.tensor(value, dtype=torch.float64) for value in (0.3, 0.1, 2.0, 0.5))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def photos(count: int, side: int = 64) -> torch.Tensor:
    """Squares cut from photos, 0–1."""
    rng, scenes = np.random.default_rng(count), (data.astronaut(), data.coffee(), data.chelsea())
    cut = []
    for number in range(count):
        scene = scenes[number % 3]
        y, x = (int(rng.integers(0, size - 200)) for size in scene.shape[:2])
        cut.append(torch.tensor(scene[y : y + 200, x : x + 200]).permute(2, 0, 1)[None].float() / 255)
    return torch.nn.functional.interpolate(torch.cat(cut), side, mode="area")


def test_lab_is_that_of_scikit_image_and_comes_back() -> None:
    found = lab_of(photos(2))
    known = rgb2lab(photos(2).permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(found.permute(0, 2, 3, 1), known, atol=0.01)
    torch.testing.assert_close(rgb_of(found), photos(2), atol=1e-4, rtol=0)
    back = lab2rgb(known)
    np.testing.assert_allclose(rgb_of(found).permute(0, 2, 3, 1), back, atol=1e-3)


def test_the_curve_of_lightness_goes_through_the_printed_places() -> None:
    """T(b) = 0, T(a) = a, T(1 − a) = 1 − a, T(1 − b) = 1, and the identity between a and 1 − a (§3.2.1)."""
    places = torch.tensor([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1], dtype=torch.float64)
    found = lightness_curve(places, A, B, P, Q)
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.3, 0.5, 0.7, 1, 1], dtype=torch.float64))
    inside = torch.tensor([0.2, 0.8], dtype=torch.float64)
    printed = torch.stack(
        [A * (A - B) ** -P * (inside[0] - B) ** P, A * (A - B) ** -Q * (inside[1] - 0.7) ** Q + 0.7]
    )
    torch.testing.assert_close(lightness_curve(inside, A, B, P, Q), printed, atol=0.01, rtol=0)


def test_the_curves_have_finite_slopes_everywhere() -> None:
    """Protects: as printed, the slope at 1 − a is infinite for q < 1, and training would end in NaN."""
    places = torch.tensor(
        [0.0, 0.05, 0.15, 0.25, 0.4, 0.75, 0.85, 0.95], dtype=torch.float64, requires_grad=True
    )
    parameters = [value.clone().requires_grad_() for value in (A, B, P, Q)]
    assert torch.autograd.gradcheck(lightness_curve, (places, *parameters))
    alpha = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(chroma_curve, (places, alpha))
    border = torch.tensor([0.0, 0.1, 0.3, 0.7, 0.9, 1.0], dtype=torch.float64, requires_grad=True)
    lightness_curve(border, *parameters).sum().backward()
    for values in (border, *parameters):
        assert values.grad.isfinite().all()
        assert values.grad.abs().max() < 1000


def test_gradients_are_finite_at_black_white_and_grey() -> None:
    flat = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1, 1).repeat(1, 3, 2, 2).requires_grad_()
    raw = torch.zeros(3, 6, requires_grad=True)
    LabCurves(*_curves(raw).unbind(1)).apply(flat).sum().backward()
    assert flat.grad.isfinite().all()
    assert raw.grad.isfinite().all()


def test_parameters_stay_in_their_order_whatever_the_network_says() -> None:
    a, b, p, q, alpha, beta = _curves(torch.randn(1000, 6) * 20).unbind(1)
    assert ((b >= 0) & (b < a) & (a <= 0.5) & (p >= 1) & (q > 0) & (q <= 1)).all()
    assert (torch.stack([alpha, beta]).abs() < 0.5).all()


def test_the_top_three_places_are_averaged_by_their_probability() -> None:
    maps = torch.zeros(1, 2, 2, 2)
    maps[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 100.0]])
    maps[0, 1] = torch.tensor([[0.4, 0.2], [0.4, 0.0]]).log()  # the fourth is impossible
    assert top_average(maps).item() == pytest.approx(0.4 * 1 + 0.2 * 2 + 0.4 * 3, rel=1e-5)


def test_a_new_generator_hardly_changes_a_photo() -> None:
    generator = Operators(replace(CONFIG, filters=True)).eval()
    assert (generator(photos(2)) - photos(2)).abs().max() < 0.05


def test_the_filters_are_fitted_to_their_formula() -> None:
    filters = PhotoFilters()
    assert not filters(photos(1)).any()
    filters.fit()
    for number, glass in enumerate(GLASS.values()):
        wanted = coloured(photos(2), glass) - photos(2)
        assert (filters(photos(2))[:, number] - wanted).abs().mean() < 0.02
        assert wanted.abs().mean() > 0.03
    again = PhotoFilters()
    again.fit()
    torch.testing.assert_close(again.state_dict(), filters.state_dict())


def test_the_whole_photo_as_crop_is_the_photo() -> None:
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    torch.testing.assert_close(cropped(photos(1), whole), photos(1), atol=1e-5, rtol=0)
    quarter = cropped(photos(1), torch.tensor([[0.5, 0.0, 0.5, 0.5]]))
    wanted = torch.nn.functional.interpolate(
        photos(1)[..., 32:, :32], scale_factor=2, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(quarter[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_a_crop_keeps_its_share_and_lies_within_the_photo() -> None:
    """Protects: the critic likes small crops; without a bound they collapse to a point."""
    generator = Operators(replace(CONFIG, crop=True, least_share=0.7))
    torch.nn.init.normal_(generator.decider.proposals.weight, std=30)
    top, left, height, width = generator.decide([photos(8)]).crop.unbind(1)
    assert torch.minimum(height, width).min() >= 0.7
    assert min(top.min(), left.min()) >= 0
    assert max((top + height).max(), (left + width).max()) <= 1 + 1e-6


def test_what_was_decided_is_told_by_name() -> None:
    generator = Operators(replace(CONFIG, filters=True, crop=True))
    told = generator.explain(generator.decide([photos(2)]), 1)
    assert list(told) == ["curves", "filters", "crop"]
    assert list(told["curves"]) == ["a", "b", "p", "q", "alpha", "beta"]
    assert set(told["filters"]) == set(GLASS)
    assert told["crop"]["height"] > 0.9


def test_tiles_get_the_decision_of_the_whole_photo() -> None:
    generator = Operators(replace(CONFIG, filters=True)).eval().requires_grad_(False)
    torch.nn.init.normal_(generator.decider.proposals.weight, std=0.1)
    generator.filters.fit()
    photo, tiled = photos(1, 96), torch.full((1, 3, 96, 96), torch.nan)

    def read(rows: slice, columns: slice) -> torch.Tensor:
        return photo[..., rows, columns]

    def write(rows: slice, columns: slice, tile: torch.Tensor) -> None:
        tiled[..., rows, columns] = tile

    tiling = Tiling(generator)
    assert tiling.halo_px == 0
    tiling.enhance_tiles(read, write, 96, 96, 40)
    torch.testing.assert_close(tiled, generator(photo), atol=1e-5, rtol=0)


def learner(config: EnhanceGanConfig, generator: float = 5e-5, critic: float = 2e-4) -> Learner:
    torch.manual_seed(0)
    rates = {
        "generator": OptimiserConfig(kind="rmsprop", learning_rate=generator),
        "critic": OptimiserConfig(kind="rmsprop", learning_rate=critic),
    }
    return Learner(
        build_method(config, size_px=64), LearnerConfig(optimisers=rates, precision="fp32", ema_decay=0.95)
    )


def test_only_the_critic_learns_while_it_judges() -> None:
    one = learner(replace(CONFIG, judging_steps=2))
    before = {name: p.clone() for name, p in one.generator.named_parameters()}
    critic = one.method.networks["critic"].judge.weight.clone()
    for _ in range(2):
        one.learn(Batch(photos(4) * 0.5, photos(4), total=4))
    assert all(torch.equal(p, before[name]) for name, p in one.generator.named_parameters())
    assert not torch.equal(one.method.networks["critic"].judge.weight, critic)
    losses = one.read_losses()
    assert losses["critic/judging"] > 0
    assert "critic/critic" not in losses
    one.learn(Batch(photos(4) * 0.5, photos(4), total=4))
    assert "critic/critic" in one.read_losses()


def test_only_a_photo_that_came_out_worse_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. 9: lower scores are better."""
    one = learner(CONFIG)
    critic = lambda photos_nchw: (photos_nchw.mean((1, 2, 3)), None)  # noqa: E731
    source = photos(4)
    scene = one.method.render(one.method.networks, Batch(source, source, total=4))
    worse = scene._replace(enhanced=source + 0.1)
    assert one.method.generator_losses({"critic": critic}, worse)["better"].item() == pytest.approx(
        0.01, rel=1e-3
    )
    better = scene._replace(enhanced=source - 0.1)
    assert one.method.generator_losses({"critic": critic}, better)["better"] == 0


def dull(good: torch.Tensor) -> torch.Tensor:
    """A camera with pale colours and little contrast in shadows and lights: what the curves can undo."""
    light, a, b = lab_of(good).unbind(1)
    return rgb_of(torch.stack([10 + 0.8 * light, 0.7 * a, 0.7 * b], 1))


def test_it_moves_photos_of_a_dull_camera_towards_the_truth() -> None:
    config = replace(CONFIG, judging_steps=20, weights=LossWeights(features=0.01))
    one = learner(config)
    truth = photos(12, 48)
    with torch.no_grad():
        start = psnr_db(one.generator(dull(truth)), truth)
    for step in range(60):
        chosen = torch.randperm(12, generator=torch.Generator().manual_seed(step))
        one.learn(Batch(dull(truth[chosen[:4]]), truth[chosen[4:8]], total=4))
    with torch.no_grad():
        assert psnr_db(one.generator(dull(truth)), truth) > start + 0.3


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"curves": False}, "at least one of curves, filters and crop"),
        ({"least_share": 0.05}, "least_share must be at least 0.1"),
        ({"judging_steps": -1}, "judging_steps must be at least 0"),
        ({"content": ContentConfig(layers={"relu1_1": 1.0})}, "one layer of resnet18"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(CONFIG, **settings)
