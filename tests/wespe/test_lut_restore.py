"""Restoring: the degradation found between two sets is the camera's, and undoing it helps unseen photos."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from scipy.ndimage import gaussian_filter
from skimage import data

from wespe.batch import Batch
from wespe.degradation import Degradation, fit_degradation
from wespe.guard import Guard, GuardConfig
from wespe.learner import Learner, LearnerConfig
from wespe.methods import build_method
from wespe.methods.lut_restore import DegradationConfig, LutRestoreConfig
from wespe.networks.features import ContentConfig
from wespe.networks.lut import ColourConfig
from wespe.networks.restorer import Restorer, RestorerConfig, multiply_adds_per_pixel
from wespe.networks.texture import TextureConfig
from wespe.optimisers import OptimiserConfig
from wespe.sample import Sample
from wespe.training import train

SIZE, BATCH, BLUR_PX, NOISE = 40, 8, 1.2, 1.0
GOOD, UNSEEN = data.coffee(), data.chelsea()
CONFIG = LutRestoreConfig(
    colour=ColourConfig(adapt=0, regress=0, evidence=0, side=5, width=2, thumbnail_px=16),
    texture=TextureConfig(match=0, quiet=100, chroma_px=0),
    detail=RestorerConfig(block_px=2, blocks=2),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
    degradation=DegradationConfig(steps=80, noise=1.0),
    start_patches=256,
)


def weak(photo_hwc: np.ndarray, seed: int) -> np.ndarray:
    """A camera that blurs and adds noise, in levels."""
    soft = gaussian_filter(photo_hwc.astype(float), (BLUR_PX, BLUR_PX, 0))
    return soft + NOISE * np.random.default_rng(seed).standard_normal(soft.shape)


def patches(photo_hwc: np.ndarray, count: int, seed: int) -> torch.Tensor:
    rng, cut = np.random.default_rng(seed), []
    for _ in range(count):
        top, left = (int(rng.integers(side - SIZE)) for side in photo_hwc.shape[:2])
        cut.append(photo_hwc[top : top + SIZE, left : left + SIZE])
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float().clamp(0, 255) / 255


def batches(first: int = 0):
    """Patches of the same photo at other places: nothing is paired, and only the camera differs."""
    taken, step = weak(GOOD, 0), first
    while True:
        yield Batch(patches(taken, BATCH, 2 * step), patches(GOOD, BATCH, 2 * step + 1), total=BATCH)
        step += 1


def samples() -> tuple[Sample, Sample]:
    source, target = (
        Sample((patches(photo, 256, seed) * 255).round().byte().permute(0, 2, 3, 1), torch.arange(256))
        for photo, seed in ((weak(GOOD, 0), 1000), (GOOD, 1001))
    )
    return source, target


def learner(steps: int, config: LutRestoreConfig = CONFIG) -> Learner:
    torch.manual_seed(0)
    optimiser = OptimiserConfig(learning_rate=3e-3, schedule="cosine")
    return Learner(
        build_method(config, size_px=SIZE), LearnerConfig(optimiser=optimiser, precision="fp32"), steps=steps
    )


def run(one: Learner, stream, steps: int) -> Learner:
    for _ in train(one, stream, Guard(GuardConfig(min_psnr_db=0), one), steps=steps, due=lambda step: False):
        pass
    return one


def test_the_degradation_becomes_like_the_camera() -> None:
    """Protects: what is learned to be undone. Both sets show one photo, so that only the camera differs."""
    degradation = Degradation()
    sources = [patches(weak(GOOD, 0), 16, seed) for seed in range(0, 20, 2)]
    targets = [patches(GOOD, 16, seed) for seed in range(1, 21, 2)]
    distances = fit_degradation(degradation, sources, targets, lambda photos_nchw: [], steps=100)
    assert np.mean(distances[-10:]) < 0.7 * distances[0]
    found = degradation.described()
    assert found["gains_db"][0][4] < -3  # a blur takes the finest band of busy places
    assert (
        0.1 < found["luma_noise"][0][2] < 0.6
    )  # levels; white noise of 1 has 0.3 of them in the middle of a band


def test_undoing_it_brings_unseen_photos_nearer_to_the_truth() -> None:
    """Protects: that training adds anything at all, on a photo of neither set."""
    one = learner(150)
    one.prepare(*samples())
    run(one, batches(), 150)
    taken = torch.from_numpy(weak(UNSEEN, 1)).permute(2, 0, 1)[None].float().clamp(0, 255) / 255
    truth = torch.from_numpy(UNSEEN.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        start = one.generator.textured(taken)[0]
        restored = one.generator.detail(start)
        # Colour is not the question here: the truth is seen through the same curves.
        wanted = one.generator.textured(truth)[0]
    before, after = ((photo - wanted).square().mean().log10().mul(-10).item() for photo in (start, restored))
    assert after > before + 0.3


def test_a_training_cut_in_the_middle_resumes_bit_for_bit() -> None:
    """Protects: the degradation, which is fitted before the first step, and the noise that is drawn later."""
    config = replace(CONFIG, degradation=DegradationConfig(steps=2))
    whole = learner(6, config)
    whole.prepare(*samples())
    run(whole, batches(), 3)
    resumed = learner(6, config)
    resumed.load_state_dict(load(save(whole.state_dict())))
    for one in (whole, resumed):
        run(one, batches(3), 6)
    wanted = whole.state_dict()
    assert not whole.start["detail.tail.weight"].any()  # training begins here
    assert not torch.equal(whole.start["colour.curves"], learner(6, config).start["colour.curves"])  # fitted
    assert {n for n, v in resumed.state_dict().items() if not torch.equal(v, wanted[n])} == set()


def test_a_degradation_needs_a_step_to_be_fitted() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        DegradationConfig(steps=0)


def test_the_network_stays_within_its_budget() -> None:
    assert multiply_adds_per_pixel(Restorer(RestorerConfig())) < 1700


@pytest.mark.parametrize("size", [(1, 1), (7, 10), (33, 16)])
def test_an_untrained_network_changes_nothing_at_any_size(size: tuple[int, int]) -> None:
    photo = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Restorer(RestorerConfig())(photo), photo)
