"""White-Box: returns of a scripted episode, edits used once, a list to apply again, and it learns."""

import pytest
import torch
from torch.nn import functional

from wespe.batch import Batch
from wespe.edits import EditList
from wespe.learner import Learner, LearnerConfig
from wespe.methods.whitebox import (
    COUNTS,
    PALETTE,
    UNIT,
    Retoucher,
    Visit,
    Whitebox,
    WhiteboxConfig,
    WhiteboxDecision,
)
from wespe.networks.photo_state import SIDE_PX
from wespe.optimisers import OptimiserConfig
from wespe.timeline import weighted

SIZE = 72


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def smooth(count: int, seed: int) -> torch.Tensor:
    """Scenes of soft blobs, 0–1."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=random)
    return functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1)


def opinionated() -> Retoucher:
    generator = Retoucher(WhiteboxConfig())
    for name, values in generator.named_parameters():
        if ".head." in name:
            torch.nn.init.normal_(values, std=0.3)
    return generator.eval()


class Mean(torch.nn.Module):
    """A critic, and a value, that can be worked out by hand: the sum, or mean, of all tones."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, photos_nchw: torch.Tensor, facts: torch.Tensor | None = None) -> torch.Tensor:
        return self.scale * photos_nchw.mean((1, 2, 3))[:, None]


def test_the_returns_of_a_scripted_episode() -> None:
    """Two edits of a grey photo of 0.4: to 0.6, and to 0.3. r = D(after) − D(before); then γ V(after)."""
    method = Whitebox(WhiteboxConfig(discount=0.5), size_px=SIZE)
    grey = torch.full((2, 3, SIDE_PX, SIDE_PX), 0.4)
    results = torch.stack([grey + 0.2, grey - 0.1, *[grey] * (len(PALETTE) - 2)])
    nothing = torch.zeros(2, len(PALETTE))
    last = torch.tensor([False, True])
    visit = Visit(None, grey, nothing, nothing, results, last, grey)
    found = method.returns({"critic": Mean(UNIT), "value": Mean(10)}, visit)
    torch.testing.assert_close(found[0, :2], torch.tensor([0.2 + 0.5 * 6, -0.1 + 0.5 * 3]))
    torch.testing.assert_close(found[1, :2], torch.tensor([0.2, -0.1]))  # nothing follows the last edit


def test_the_choice_moves_towards_what_is_worth_more_than_expected() -> None:
    method = Whitebox(WhiteboxConfig(edits=1), size_px=SIZE)
    logits = torch.zeros(2, len(PALETTE), requires_grad=True)
    grey = torch.full((2, 3, SIDE_PX, SIDE_PX), 0.4)
    results = torch.stack([grey + 0.2, grey - 0.1, *[grey] * (len(PALETTE) - 2)])
    visit = Visit(
        Batch(grey, grey, 2),
        grey,
        torch.zeros_like(logits),
        logits.softmax(1),
        results,
        torch.ones(2) > 0,
        grey,
    )
    losses = method.policy_losses({"critic": Mean(UNIT), "value": Mean(0)}, visit)
    losses["choice"].backward()
    assert (logits.grad[:, 0] < 0).all()
    assert (logits.grad[:, 1] > 0).all()
    assert logits.grad[:, 0].abs().min() > 5 * logits.grad[:, 2:].abs().max()


def test_every_edit_is_used_once_at_most() -> None:
    """Protects: without it, the choice collapses into one or two edits that are repeated."""
    decision = opinionated().decide([smooth(4, 0)])
    assert (decision.chosen.sum(1) <= 1).all()
    assert (decision.chosen.sum((1, 2)) == 5).all()
    method = Whitebox(WhiteboxConfig(edits=8, exploration=1.0), size_px=SIZE)
    visit = method.render(method.networks, Batch(smooth(8, 1), smooth(8, 2), 8))
    torch.testing.assert_close(visit.used.sum(1)[visit.last], torch.full((int(visit.last.sum()),), 7.0))


def test_the_list_applied_again_gives_the_same_photo_at_another_size() -> None:
    generator, photos = opinionated(), smooth(2, 3)
    decision = generator.decide([photos])
    listed = generator.explain(decision, 1)["edits"]
    assert [one["edit"] for one in listed] == [PALETTE[int(step.argmax())] for step in decision.chosen[1]]
    larger = functional.interpolate(photos[1:], scale_factor=3)
    again = EditList(listed)(larger)
    wanted = functional.interpolate(generator(photos, decision)[1:], scale_factor=3)
    torch.testing.assert_close(again, wanted, atol=1 / 255, rtol=0)
    assert (wanted - larger).abs().mean() > 0.02


def test_the_mean_of_two_decisions_lies_between_their_photos() -> None:
    """Protects: a film's decisions are averaged over time; a mean of edits' numbers would be another edit."""
    photo, values = smooth(1, 4), torch.zeros(1, 1, sum(COUNTS))
    raised = values.clone()
    raised[..., 0] = 2.0  # brightness
    chosen = torch.eye(len(PALETTE))[None, :1]
    other = torch.eye(len(PALETTE))[None, 5:6]  # s_curve, by nothing
    generator = Retoucher(WhiteboxConfig(edits=1))
    mean = weighted([0.5, 0.5], [WhiteboxDecision(chosen, raised), WhiteboxDecision(other, raised)])
    found = generator(photo * 0.4, mean)
    torch.testing.assert_close(found, photo * 0.6)


def test_a_pale_dark_camera_comes_nearer_to_the_truth() -> None:
    def camera(truth: torch.Tensor) -> torch.Tensor:
        return 0.45 * truth + 0.05

    config = LearnerConfig(
        optimiser=OptimiserConfig(learning_rate=2e-3, betas=(0.5, 0.9)),
        optimisers={"critic": OptimiserConfig(learning_rate=2e-3, betas=(0.5, 0.9))},
        ema_decay=0.9,
    )
    learner = Learner(Whitebox(WhiteboxConfig(edits=2, critic_steps=3), size_px=SIZE), config, steps=30)
    for step in range(30):
        learner.learn(Batch(camera(smooth(6, 2 * step)), smooth(6, 2 * step + 1), 6))
    truth = smooth(8, 999)
    with torch.no_grad():
        enhanced = learner.generator(camera(truth))
    before, after = ((one - truth).square().mean() for one in (camera(truth), enhanced))
    assert after < 0.7 * before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edits": 9}, "edits must be from 1 to 8"),
        ({"exploration": 2.0}, "exploration"),
        ({"critic_steps": 0}, "critic_steps"),
    ],
)
def test_invalid_settings_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WhiteboxConfig(**settings)
