"""Restoring whole photos: unseen weak photos get nearer to the truth, whatever is known of the camera."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from skimage import data

from wespe.batch import Batch
from wespe.guard import Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.lut_restore import DegradationConfig
from wespe.methods.restore import Restore, RestoreConfig, Restored
from wespe.networks.features import ContentConfig
from wespe.networks.light import LightConfig
from wespe.networks.lut import ColourConfig
from wespe.networks.restorer import RestorerConfig
from wespe.optimisers import OptimiserConfig
from wespe.regrade import regraded
from wespe.sample import Sample
from wespe.tiling import Tiling
from wespe.training import train

SIZE, BATCH, WHOLE = 32, 8, 64
GOOD = (data.coffee(), data.rocket(), data.immunohistochemistry(), data.retina())
UNSEEN = (data.astronaut(), data.chelsea())
CONFIG = RestoreConfig(
    colour=ColourConfig(bases=1, side=2, width=1, thumbnail_px=WHOLE),
    learn_light=True,
    light=LightConfig(widths=(8, 16, 24)),
    detail=RestorerConfig(width=4, blocks=1),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
    degradation=DegradationConfig(steps=2),
)


def whole(photo_hwc: np.ndarray, side: int = WHOLE) -> np.ndarray:
    return np.asarray(Image.fromarray(photo_hwc).resize((side, side), Image.Resampling.BOX))


def quarters(photo_hwc: np.ndarray) -> list[np.ndarray]:
    height, width = (side // 2 for side in photo_hwc.shape[:2])
    return [photo_hwc[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]


WHOLES = np.stack([whole(part) for photo in GOOD for part in (photo, *quarters(photo))])


def nchw(photos_nhwc: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(photos_nhwc.copy()).permute(0, 3, 1, 2) / 255


def patches(photos_nhwc: np.ndarray, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tops, lefts = rng.integers(0, WHOLE - SIZE, (2, count))
    which = rng.integers(0, len(photos_nhwc), count)
    return np.stack(
        [photos_nhwc[n][y : y + SIZE, x : x + SIZE] for n, y, x in zip(which, tops, lefts, strict=True)]
    )


def sample(photos_nhwc: np.ndarray, photos: int = 8) -> Sample:
    cut = torch.from_numpy(patches(photos_nhwc, 160, 0))
    return Sample(cut, torch.arange(160) % photos, whole_nhwc=torch.from_numpy(photos_nhwc.copy()))


def batches(first: int = 0) -> Iterator[Batch]:
    step = first
    while True:
        target = nchw(patches(WHOLES, BATCH, step))
        chosen = np.random.default_rng(step).integers(0, len(WHOLES), BATCH)
        yield Batch(target, target, total=BATCH, whole=nchw(WHOLES[chosen]))
        step += 1


def learner(steps: int, config: RestoreConfig = CONFIG) -> Learner:
    torch.manual_seed(0)
    optimiser = OptimiserConfig(learning_rate=5e-3, betas=(0.9, 0.99), schedule="linear")
    return Learner(
        build_method(config, size_px=SIZE), LearnerConfig(optimiser=optimiser, precision="fp32"), steps=steps
    )


def run(one: Learner, stream: Iterator[Batch], steps: int) -> Learner:
    for _ in train(one, stream, Guard(GuardConfig(min_psnr_db=0), one), steps=steps, due=lambda step: False):
        pass
    return one


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return -10 * (one - other).square().mean((1, 2, 3)).log10().mean().item()


def test_unseen_weak_photos_get_nearer_to_the_truth() -> None:
    """Protects: that training adds, on photos of neither set, without knowing the camera."""
    one = run(learner(150), batches(), 150)
    truth = nchw(np.stack([whole(part) for photo in UNSEEN for part in quarters(photo)] * 4))
    weak = regraded(truth, torch.Generator().manual_seed(7))
    light = one.method.generator.light
    with torch.no_grad():
        relit = light(weak, light.decide(weak))
    assert psnr(relit, truth) > psnr(weak, truth) + 0.7


def test_the_weights_of_the_package_bring_unseen_photos_nearer_to_the_truth() -> None:
    truth = nchw(np.stack([whole(part, 192) for photo in UNSEEN for part in (photo, *quarters(photo))] * 3))
    weak = regraded(truth, torch.Generator().manual_seed(7))
    content = ContentConfig(layers={"relu1_1": 1.0}, weights="random")
    method = build_method(RestoreConfig(content=content), size_px=SIZE)
    light = method.generator.light
    with torch.no_grad():
        relit = light(weak, light.decide(weak))
    assert psnr(relit, truth) > psnr(weak, truth) + 1.5
    assert not any(parameter.requires_grad for parameter in light.parameters())  # it does not learn


def test_curves_and_light_together_give_the_targets_tones() -> None:
    """Protects from correcting twice: light brightens, so the curves of a dark camera must brighten less."""
    config = replace(CONFIG, colour=replace(CONFIG.colour, evidence=0), least_effect=1.0)
    dark = (WHOLES * 0.6).astype(np.uint8)
    means = []
    for brighter in (0.0, 1.0):
        one = learner(1, config).method
        one.generator.light.grid.bias.data.fill_(brighter)  # stops, everywhere
        one.prepare(sample(dark), sample(WHOLES))
        with torch.no_grad():
            colour = one.generator.colour.start(nchw(dark)).mean().item()
            means.append((colour, one.generator(nchw(dark)).mean().item()))
    (alone, as_target), (before, after) = means
    assert before < alone - 0.05
    assert after == pytest.approx(as_target, abs=0.03)


@pytest.mark.parametrize(("photos", "effect"), [(1, 1.0), (len(WHOLES), 0.3)])
def test_light_has_less_effect_the_more_is_known_of_the_camera(photos: int, effect: float) -> None:
    """One photo shows nothing of what a camera does to all of its photos."""
    one = learner(1).method
    dark = (WHOLES * 0.3).astype(np.uint8)
    said = one.prepare(sample(dark, photos), sample(WHOLES, len(WHOLES)))
    assert one.generator.effect.item() == pytest.approx(effect, abs=0.1), said
    level = torch.linspace(0, 1, 256)
    moved = (one.generator.colour.curves - level).abs().mean()
    assert moved < 1e-6 if photos == 1 else moved > 0.05


def test_a_training_cut_in_the_middle_resumes_bit_for_bit() -> None:
    uncut = learner(6)
    uncut.prepare(sample(WHOLES), sample(WHOLES))
    run(uncut, batches(), 3)
    resumed = learner(6)
    resumed.load_state_dict(load(save(uncut.state_dict())))
    for one in (uncut, resumed):
        run(one, batches(3), 6)
    wanted = uncut.state_dict()
    assert {n for n, v in resumed.state_dict().items() if not torch.equal(v, wanted[n])} == set()


@torch.inference_mode()
def test_tiles_match_the_whole_photo() -> None:
    """Protects: a decision by place, taken once for the whole photo."""
    torch.manual_seed(0)
    one = Restored(CONFIG).requires_grad_(False)
    for layer in (one.light.grid, one.light.colours, one.detail.tail):
        torch.nn.init.normal_(layer.weight, std=0.3)
    photo = torch.from_numpy(data.astronaut()[:301, :400].copy())[None].permute(0, 3, 1, 2) / 255
    tiled = torch.zeros_like(photo)

    def write(rows: slice, columns: slice, tile: torch.Tensor) -> None:
        tiled[..., rows, columns] = tile

    Tiling(one).enhance_tiles(lambda r, c: photo[..., r, c], write, 301, 400, 64)
    wanted = one(photo)
    assert (wanted - photo).abs().max() > 0.05
    assert (tiled - wanted).abs().max() < 1 / 255 / 20


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"least_effect": 1.1}, "least_effect must be at least 0 and at most 1"),
        ({"regrade": -1}, "regrade must be at least 0"),
        ({"start_patches": 0}, "start_patches must be at least 1"),
        ({"light": LightConfig(widths=(8,) * 5)}, "colour.thumbnail_px must be at least 128, not 64"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(CONFIG, **settings)


def test_another_size_of_light_must_learn() -> None:
    with pytest.raises(ValueError, match="keep these, or set learn_light: true"):
        build_method(replace(CONFIG, learn_light=False), size_px=SIZE)


def test_it_asks_for_whole_photos_to_learn_from_only_if_light_learns() -> None:
    assert Restore.needs_whole
    assert Restore.learns_from_whole(CONFIG)
    assert not Restore.learns_from_whole(RestoreConfig())
