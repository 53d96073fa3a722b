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
    colour=ColourConfig(adapt=0, regress=0, bases=1, side=2, width=1, thumbnail_px=WHOLE),
    light=LightConfig(widths=(8, 16, 24)),
    detail=RestorerConfig(width=4, blocks=1),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
    degradation=DegradationConfig(steps=2),
)


def whole(photo_hwc: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(photo_hwc).resize((WHOLE, WHOLE), Image.Resampling.BOX))


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


def sample(photos_nhwc: np.ndarray) -> Sample:
    cut = torch.from_numpy(patches(photos_nhwc, 128, 0))
    return Sample(cut, torch.arange(128) % 8, whole_nhwc=torch.from_numpy(photos_nhwc.copy()))


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


def test_a_camera_is_compared_with_weakened_photos_not_with_good_ones() -> None:
    """Protects from correcting twice: a camera whose photos are as weak as regraded ones needs no curves."""
    config = replace(CONFIG, colour=replace(CONFIG.colour, evidence=0))
    weak = torch.cat([regraded(nchw(WHOLES), torch.Generator().manual_seed(n)) for n in range(8)])
    weak_nhwc = (weak.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    like_good, like_weak = (learner(1, config).method for _ in range(2))
    like_good.prepare(sample(WHOLES), sample(WHOLES))
    like_weak.prepare(sample(weak_nhwc), sample(WHOLES))
    level = torch.linspace(0, 1, 256)
    moved = [(one.generator.colour.curves - level)[:, 40:215].abs().mean() for one in (like_good, like_weak)]
    assert moved[0] > 0.02
    assert moved[1] < moved[0] / 3


def test_two_sets_that_cannot_be_told_apart_leave_the_colours_alone() -> None:
    one = learner(1).method
    few = WHOLES[:1]
    assert "0% of their difference" in one.prepare(sample(few), sample(WHOLES))
    level = torch.linspace(0, 1, 256).expand(3, 256)
    torch.testing.assert_close(one.generator.colour.curves, level)


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
        ({"regrade": -1}, "regrade must be at least 0"),
        ({"start_patches": 0}, "start_patches must be at least 1"),
        ({"light": LightConfig(widths=(8,) * 5)}, "colour.thumbnail_px must be at least 128, not 64"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(CONFIG, **settings)


def test_it_asks_for_whole_photos() -> None:
    assert Restore.needs_whole
