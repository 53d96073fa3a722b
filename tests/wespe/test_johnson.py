"""Johnson et al.: the Gram loss is the paper's, any photo has a result of its size, and pairs are learned."""

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from skimage import data

from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.losses import gram, gram_loss, psnr_db
from wespe.methods import build_method
from wespe.methods.johnson import JohnsonConfig
from wespe.networks.features import ContentConfig
from wespe.networks.strided import Strided, StridedConfig
from wespe.optimisers import OptimiserConfig

CONFIG = JohnsonConfig(
    generator=StridedConfig(width=8, blocks=1),
    content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"),
)
SIZE = 32


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def learner(learning_rate: float = 1e-3) -> Learner:
    optimiser = OptimiserConfig(learning_rate=learning_rate)
    return Learner(build_method(CONFIG, size_px=SIZE), LearnerConfig(optimiser=optimiser, ema_decay=0.9))


def batch(seed: int) -> Batch:
    truth = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return Batch(0.6 * truth, truth, total=4)


def test_gram_matrices_by_hand() -> None:
    """Two channels of two places: (1, 2) and (3, 0); C·H·W is 4."""
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert torch.equal(gram(features), torch.tensor([[[5.0, 3.0], [3.0, 9.0]]]) / 4)
    # Against zeros, ‖·‖² = (25 + 9 + 9 + 81) / 16.
    assert gram_loss([features], [0 * features], [2.0]).item() == pytest.approx(2 * 124 / 16)


def test_gram_matrices_match_a_plain_loop_and_ignore_places() -> None:
    features = torch.rand(2, 3, 4, 5)
    values = features.double().numpy()
    looped = np.zeros((2, 3, 3))
    for n, a, b, y, x in np.ndindex(2, 3, 3, 4, 5):
        looped[n, a, b] += values[n, a, y, x] * values[n, b, y, x] / (3 * 4 * 5)
    torch.testing.assert_close(gram(features), torch.from_numpy(looped).float())
    assert gram_loss([features], [features.flip(2, 3)], [1.0]).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 3), (8, 8)])
def test_photos_of_any_size_keep_it(size: tuple[int, int]) -> None:
    enhanced = Strided(CONFIG.generator).eval()(torch.rand(1, 3, *size))
    assert enhanced.shape == (1, 3, *size)
    assert ((enhanced >= 0) & (enhanced <= 1)).all()


def test_a_resumed_training_is_bit_exact_with_its_batch_norms() -> None:
    straight, cut, resumed = learner(), learner(), learner()
    straight.load_state_dict(load(save(cut.state_dict())))
    for step in range(4):
        straight.learn(batch(step))
    for step in range(2):
        cut.learn(batch(step))
    resumed.load_state_dict(load(save(cut.state_dict())))
    for step in range(2, 4):
        resumed.learn(batch(step))
    wanted, found = straight.state_dict(), resumed.state_dict()
    assert any(name.endswith("running_var") for name in wanted)
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


def test_it_learns_from_pairs_what_a_simulated_camera_did() -> None:
    """Judged on another photo than it learned from, in eval mode, as users run it."""
    one, camera = learner(3e-3), 0.4 * torch.tensor([1.0, 0.8, 0.6]).view(3, 1, 1)
    first, truth = (
        torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        for photo in (data.astronaut(), data.coffee())
    )
    for _ in range(120):
        top, left = (int(place) for place in torch.randint(first.shape[2] - 2 * SIZE, (2,)))
        area = first[:, :, top : top + 2 * SIZE, left : left + 2 * SIZE]
        good = torch.cat([area.unfold(2, SIZE, SIZE).unfold(3, SIZE, SIZE).flatten(2, 3)], 0)
        good = good[0].transpose(0, 1)
        one.learn(Batch(camera * good, good, total=4))
    with torch.no_grad():
        enhanced = one.generator.eval()(camera * truth)
    assert psnr_db(enhanced, truth) > psnr_db(camera * truth, truth) + 3


@pytest.mark.parametrize(("setting", "value"), [("width", 0), ("blocks", -1)])
def test_sizes_out_of_range_are_refused(setting: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{setting} must be at least"):
        StridedConfig(**{setting: value})
