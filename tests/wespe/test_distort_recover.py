"""Distort-and-Recover: targets by hand, edits that add up, a memory that resumes exactly, and it learns."""

import pytest
import torch
from torch.nn import functional

from wespe.batch import Batch
from wespe.edits import EditList
from wespe.learner import Learner, LearnerConfig
from wespe.methods.distort_recover import (
    ACTIONS,
    MOST_ALIKE,
    STEP,
    STOP,
    DistortRecover,
    DistortRecoverConfig,
    Recoverer,
    distance,
    listed,
    td_targets,
)
from wespe.networks.photo_state import SIDE_PX
from wespe.optimisers import OptimiserConfig
from wespe.replay import Replay

CONFIG = DistortRecoverConfig(memory=12, edits=8, exploring_steps=10)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def smooth(count: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=random)
    return functional.interpolate(coarse, SIDE_PX, mode="bicubic").clamp(0, 1)


def batch(seed: int, count: int = 6) -> Batch:
    return Batch(smooth(count, seed), smooth(count, seed + 1), count)


def test_the_targets_of_q_learning_by_hand() -> None:
    """Two actions. After the first the learning network picks the second, which the target network scores."""
    following = torch.tensor([[[9.0, 2.0], [-1.0, -3.0]]])
    choosing = torch.tensor([[[0.0, 1.0], [5.0, 4.0]]])
    found = td_targets(torch.tensor([[0.5, -0.25]]), following, choosing, 0.9)
    torch.testing.assert_close(found, torch.tensor([[0.5 + 0.9 * 2, -0.25]]))  # or stop, which is worth 0


def test_the_distance_is_that_of_cielab() -> None:
    from skimage.color import rgb2lab

    one, other = smooth(1, 0), smooth(1, 1)
    sides = [rgb2lab(photo[0, :, ::2, ::2].permute(1, 2, 0).double().numpy()) for photo in (one, other)]
    wanted = ((sides[0] - sides[1]) ** 2).sum(2).mean() ** 0.5 / 10
    assert distance(one, other).item() == pytest.approx(wanted, rel=1e-3)


def test_edits_in_a_row_are_listed_as_one_and_give_the_same_photo() -> None:
    up = [number for number, (name, factors) in enumerate(ACTIONS) if max(factors) > 1]
    brighter, redder = up[0], up[3]
    told = listed([brighter, brighter, redder, brighter])
    assert [one["edit"] for one in told] == ["brightness", "white_balance", "brightness"]
    assert told[0]["factor"] == pytest.approx(1.05**2, rel=1e-3)
    photo = 0.5 * smooth(1, 0)
    wanted = photo * 1.05**3 * torch.tensor([1.05, 1, 1]).view(3, 1, 1)
    torch.testing.assert_close(EditList(told)(photo), wanted, atol=1e-3, rtol=0)


def test_an_agent_that_has_learned_nothing_changes_nothing() -> None:
    generator = Recoverer(CONFIG)
    decision = generator.decide([smooth(2, 0)])
    assert (decision.actions == STOP).all()
    torch.testing.assert_close(generator(smooth(2, 0)), smooth(2, 0))
    assert generator.explain(decision) == {"edits": []}


def test_the_list_is_the_transform_of_the_decision() -> None:
    generator, photo = Recoverer(CONFIG), 0.5 * smooth(2, 0)
    torch.nn.init.normal_(generator.worth.head.weight, std=0.5)
    decision = generator.compact(generator.decide([photo]))  # as tiling passes it on
    told = generator.explain(decision, 1)["edits"]
    assert told
    torch.testing.assert_close(
        EditList(told)(photo[1:]), generator(photo, decision)[1:], atol=1 / 255, rtol=0
    )


def test_an_agent_that_always_wants_one_edit_goes_to_another() -> None:
    """Protects: photos came out nearly grey, since less saturation was promised to help thirty times."""
    generator = Recoverer(DistortRecoverConfig(edits=2 * MOST_ALIKE))
    pale, dark = ACTIONS.index(("saturation", (1 / STEP,))), ACTIONS.index(("brightness", (1 / STEP,)))
    with torch.no_grad():
        generator.worth.head.bias[pale], generator.worth.head.bias[dark] = 2.0, 1.0
    told = generator.explain(generator.decide([smooth(2, 0)]))["edits"]
    assert [one["edit"] for one in told] == ["saturation", "brightness"]
    assert all(one["factor"] == pytest.approx(STEP**-MOST_ALIKE, rel=1e-3) for one in told)


def test_the_memory_keeps_photos_to_half_a_level() -> None:
    replay, photos = Replay(4, {"photo": (3, 2, 2), "number": ()}), torch.rand(2, 3, 2, 2)
    slots = torch.tensor([3, 1])
    replay.write(slots, {"photo": photos, "number": torch.tensor([0.1, 0.2])}, torch.tensor([0, 7]))
    read = replay.read(slots)
    torch.testing.assert_close(read["photo"], photos, atol=0.5 / 255 + 1e-6, rtol=0)
    assert replay.steps.tolist() == [-1, 7, -1, 0]
    torch.testing.assert_close(read["number"], torch.tensor([0.1, 0.2]))


def test_a_resumed_training_goes_on_with_the_same_episodes() -> None:
    def learner() -> Learner:
        torch.manual_seed(0)
        return Learner(DistortRecover(CONFIG, size_px=SIDE_PX), LearnerConfig(), steps=8)

    straight, first = learner(), learner()
    for step in range(6):
        straight.learn(batch(step))
    for step in range(3):
        first.learn(batch(step))
    assert (first.method.replay.steps >= 0).any()
    state = {name: value.clone() for name, value in first.state_dict().items()}
    assert "memory/replay.photo" in state
    resumed = learner()
    resumed.load_state_dict(state)
    for step in range(3, 6):
        resumed.learn(batch(step))
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_episodes_end_and_begin_anew() -> None:
    method = DistortRecover(CONFIG, size_px=SIDE_PX)
    most = []
    for step in range(8):
        method.render(method.networks, batch(step, 12))
        most.append(int(method.replay.steps.max()))
    assert max(most) < CONFIG.edits
    assert min(most) == -1  # after two visits of five edits, all eight are done, and the slots are free


def test_one_known_edit_is_undone() -> None:
    """Photos darkened by 1.05⁸ come nearer to the truth."""
    config = DistortRecoverConfig(memory=24, edits=8, exploring_steps=10, distortion=0.6)
    rates = LearnerConfig(optimiser=OptimiserConfig(learning_rate=2e-3, schedule="linear"), ema_decay=0.9)
    learner = Learner(DistortRecover(config, size_px=SIDE_PX), rates, steps=60)
    for step in range(60):
        learner.learn(batch(2 * step, 8))
    truth = smooth(8, 999)
    with torch.no_grad():
        enhanced = learner.generator(truth / 1.05**8)
    before, after = (distance(one, truth).mean() for one in (truth / 1.05**8, enhanced))
    assert after < 0.8 * before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory": 0}, "memory"),
        ({"discount": 1.5}, "discount"),
        ({"distortion": 0.0}, "distortion"),
        ({"exploring_steps": -1}, "exploring_steps"),
    ],
)
def test_invalid_settings_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistortRecoverConfig(**settings)
