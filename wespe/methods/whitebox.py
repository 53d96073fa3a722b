"""White-Box, "Exposure": a policy retouches photos with readable edits (Hu et al., ACM TOG 2018).

The policy chooses an edit and its values, one edit after another. A critic compares the results with the
target's photos; how much its score rises is the reward. The values learn by the gradient through the edit
and the critic, the choice by the rewards of all edits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import GAMES
from wespe.batch import Batch
from wespe.edits import EDITS
from wespe.generator import Generator, Place
from wespe.losses import NonNegative
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.photo_state import SIDE_PX, PhotoState
from wespe.networks.thumbnail import thumbnails
from wespe.penalty import between, gradient_norms, two_sided_penalty

GAME = GAMES["wasserstein"]
PALETTE = (
    "brightness",
    "gamma",
    "white_balance",
    "saturation",
    "tone",
    "s_curve",
    "black_and_white",
    "colour",
)
COUNTS = [EDITS[name].count for name in PALETTE]
UNIT = (3 * SIDE_PX**2) ** 0.5  # of scores: critics change by 1 per unit of distance, which sums over a photo


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    choice, values: the policy's rewards, by which it learns what to do and how much.
    entropy: of the choice; falls to 0 until the end of training.
    penalty: how far the critic's gradients are from 1.
    """

    choice: float = 1.0
    values: float = 1.0
    entropy: float = 0.05
    penalty: float = 10.0


@dataclass(frozen=True, kw_only=True)
class WhiteboxConfig:
    """Settings of the method.

    edits: how many edits a photo gets, each of another kind.
    critic_steps: steps of the critic per step of the policy.
    exploration: the share of edits in training that are chosen at random.
    discount: worth of the next edit's reward, relative to this one's.
    """

    name: Literal["whitebox"] = "whitebox"
    edits: int = 5
    exploration: float = 0.1
    discount: float = 1.0
    critic_steps: int = 5
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if not 1 <= self.edits <= len(PALETTE):
            raise ValueError(f"edits must be from 1 to {len(PALETTE)}, not {self.edits}")
        for name in ("exploration", "discount"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")


class WhiteboxDecision(NamedTuple):
    """What to do with each photo.

    chosen: (n, edits, palette), 1 for the edit of each step. A film's mean over time may lie between edits,
        and mixes their results.
    values: (n, edits, all values of the palette).
    """

    chosen: torch.Tensor
    values: torch.Tensor


class Policy(nn.Module):
    """photos (n, 3, SIDE_PX, SIDE_PX) and edits used, (n, palette) → logits and values of all edits."""

    def __init__(self) -> None:
        super().__init__()
        self.choose = PhotoState(len(PALETTE), facts=len(PALETTE), from_zero=True)
        self.adjust = PhotoState(sum(COUNTS), facts=len(PALETTE), from_zero=True)

    def forward(self, photos_nchw: torch.Tensor, used: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.choose(photos_nchw, used).masked_fill(used > 0, -torch.inf)
        raw = self.adjust(photos_nchw, used).split(COUNTS, 1)
        return logits, torch.cat([EDITS[n].values(one) for n, one in zip(PALETTE, raw, strict=True)], 1)


def edited(photos_nchw: torch.Tensor, chosen: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Apply to each photo its edit: chosen (n, palette), values (n, all values)."""
    every = torch.compiler.is_exporting()  # an exported graph cannot depend on what was chosen
    result = torch.zeros_like(photos_nchw)
    for number, (name, one) in enumerate(zip(PALETTE, values.split(COUNTS, 1), strict=True)):
        share = chosen[:, number, None, None, None]
        if every or share.any():
            result = result + share * EDITS[name].apply(photos_nchw, one)
    return result


def _one_hot(numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return (n, palette); torch's own cannot be exported to ONNX."""
    return (numbers[:, None] == torch.arange(len(PALETTE), device=like.device)).to(like)


class Retoucher(Generator):
    """photos_nchw → photos_nchw, float 0–1, edited as the policy decides."""

    decides: ClassVar[bool] = True

    def __init__(self, config: WhiteboxConfig):
        super().__init__()
        self.config = config
        self.policy = Policy()

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> WhiteboxDecision:
        """Choose the likeliest edits for whole photos."""
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            photos = thumbnails(strips_nchw, SIDE_PX)
            used = photos.new_zeros(len(photos), len(PALETTE))
            steps = []
            for _ in range(self.config.edits):
                logits, values = self.policy(photos.clamp(0, 1), used)
                chosen = _one_hot(logits.argmax(1), photos)
                photos, used = edited(photos, chosen, values), used + chosen
                steps.append((chosen, values))
            return WhiteboxDecision(*(torch.stack(part, 1) for part in zip(*steps, strict=True)))

    def forward(
        self, photos_nchw: torch.Tensor, decision: WhiteboxDecision | None = None, place: Place | None = None
    ) -> torch.Tensor:
        decision = decision or self.decide([photos_nchw])
        with torch.autocast(photos_nchw.device.type, enabled=False):
            for step in range(self.config.edits):
                photos_nchw = edited(photos_nchw, decision.chosen[:, step], decision.values[:, step])
            return photos_nchw.clamp(0, 1)

    def explain(self, decision: WhiteboxDecision, index: int = 0) -> dict[str, Any]:
        steps = zip(decision.chosen[index], decision.values[index], strict=True)
        return {"edits": [_named(int(chosen.argmax()), values) for chosen, values in steps]}


def _named(number: int, values: torch.Tensor) -> dict[str, Any]:
    name = PALETTE[number]
    return {"edit": name, **EDITS[name].named(values.split(COUNTS)[number].tolist())}


class Visit(NamedTuple):
    """One state of each photo's retouching, and all edits that were possible in it.

    photos, used: the state. chances: (n, palette), of each edit. results: (palette, n, 3, h, w), what each
    makes of the photo. last: (n,), whether it is the last edit. finished: the photos after all edits.
    """

    batch: Batch
    photos: torch.Tensor
    used: torch.Tensor
    chances: torch.Tensor
    results: torch.Tensor
    last: torch.Tensor
    finished: torch.Tensor


class Explorer(nn.Module):
    """Retouches reduced photos by chance, and renders all edits of one state of each."""

    def __init__(self, config: WhiteboxConfig):
        super().__init__()
        self.config = config
        self.enhance = Retoucher(config)

    def forward(self, batch: Batch) -> Visit:
        photos, random = thumbnails([batch.source], SIDE_PX), batch.random
        count, steps = len(photos), self.config.edits
        visited = torch.randint(steps, (count,), generator=random, device=photos.device)
        state, used = photos, photos.new_zeros(count, len(PALETTE))
        kept_state, kept_used = state, used
        with torch.no_grad():
            for step in range(steps):
                here = visited == step
                kept_state = torch.where(here[:, None, None, None], state, kept_state)
                kept_used = torch.where(here[:, None], used, kept_used)
                logits, values = self.enhance.policy(state.clamp(0, 1), used)
                picked = torch.multinomial(self._chances(logits), 1, generator=random)[:, 0]
                chosen = _one_hot(picked, photos)
                state, used = edited(state, chosen, values), used + chosen
        logits, values = self.enhance.policy(kept_state.clamp(0, 1), kept_used)
        split = zip(PALETTE, values.split(COUNTS, 1), strict=True)
        results = torch.stack([EDITS[name].apply(kept_state, one) for name, one in split])
        last = visited == steps - 1
        return Visit(batch, kept_state, kept_used, logits.softmax(1), results, last, state)

    def _chances(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the chance of each edit (n, palette) with exploration."""
        possible = logits.isfinite().float()
        evenly = possible / possible.sum(1, keepdim=True)
        return torch.lerp(logits.softmax(1), evenly, self.config.exploration)


class Whitebox(Method):
    """Trains the policy by an actor and critics: of value, what a state is worth, and of photos."""

    whole_photos: ClassVar[bool] = True

    def __init__(
        self, config: WhiteboxConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.config = config
        self.networks = nn.ModuleDict(
            {
                "generator": Explorer(config),
                "value": PhotoState(1, facts=len(PALETTE)),
                "critic": PhotoState(1, origin=False),
            }
        )
        weights = dict(vars(config.weights))
        critic_weights = {"critic": 1.0, "penalty": weights.pop("penalty")}
        self.turns = (
            Turn("generator", self.policy_losses, weights),
            Turn("value", self.value_losses, {"value": 1.0}),
            Turn("critic", self.critic_losses, critic_weights, repeats=config.critic_steps),
        )

    @property
    def generator(self) -> Retoucher:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Visit:
        return networks["generator"](batch)

    def returns(self, networks: Networks, visit: Visit) -> torch.Tensor:
        """Return what each edit is worth, (n, palette): its reward, and the value of the state after it.

        The reward is how much the critic's score rises. Nothing follows the last edit.
        """
        palette, count = visit.results.shape[:2]
        after = visit.used[None] + torch.eye(palette, device=visit.used.device)[:, None]
        before = score(networks, visit.photos)
        rewards = score(networks, visit.results.flatten(0, 1)).view(palette, count) - before
        value = networks["value"](visit.results.flatten(0, 1).clamp(0, 1), after.flatten(0, 1).clamp(max=1))
        value = value.view(palette, count).masked_fill(visit.last, 0)
        return (rewards + self.config.discount * value).T

    def policy_losses(self, networks: Networks, visit: Visit) -> Losses:
        """Compute the expected return of the choice and of the values, and the entropy of the choice.

        The choice learns from the returns of all possible edits, in units of their spread, instead of one
        return that was drawn: it has no variance, and no scale that the entropy must be weighed against.
        """
        returns, possible = self.returns(networks, visit), visit.used == 0
        fixed = returns.detach()
        spread = fixed[possible].std(correction=0) + 1e-6
        advantage = (fixed - (visit.chances * fixed).sum(1, keepdim=True)).detach() / spread
        chances = visit.chances
        logs = chances.clamp(min=1e-6).log()
        left = 1 - visit.batch.step / visit.batch.steps if visit.batch.steps else 1.0
        shares = torch.lerp(chances.detach(), possible / possible.sum(1, keepdim=True), 0.5)
        return {
            "choice": -(chances * advantage).sum(1).mean(),
            "values": -(shares * returns).sum(1).mean() / spread,
            "entropy": left * (chances * logs).sum(1).mean(),
        }

    def value_losses(self, networks: Networks, visit: Visit) -> Losses:
        """Compute half the squared error of the state's value against the expected return (TD(0))."""
        with torch.no_grad():
            expected = (visit.chances * self.returns(networks, visit)).sum(1)
        value = networks["value"](visit.photos.clamp(0, 1), visit.used).squeeze(1)
        return {"value": 0.5 * (value - expected).square().mean()}

    def critic_losses(self, networks: Networks, visit: Visit) -> Losses:
        """Compute WGAN-GP's losses of the critic (Gulrajani et al. 2017), of target and finished photos."""
        real, fake = thumbnails([visit.batch.target], SIDE_PX), visit.finished.clamp(0, 1)
        mixed = between(real, fake, visit.batch.random)
        scores = networks["critic"](torch.cat([real, fake, mixed])).squeeze(1)
        reals, fakes, middle = scores.split([len(real), len(fake), len(mixed)])
        return {
            "critic": GAME.real(reals).mean() + GAME.fake(fakes).mean(),
            "penalty": two_sided_penalty(gradient_norms(middle, mixed)),
        }


def score(networks: Networks, photos_nchw: torch.Tensor) -> torch.Tensor:
    """Return the critic's score of each photo, (n,), in units of 0–1."""
    return networks["critic"](photos_nchw.clamp(0, 1)).squeeze(1) / UNIT
