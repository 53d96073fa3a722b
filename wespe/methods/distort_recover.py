"""Distort-and-Recover: an agent undoes random distortions by small edits (Park et al., CVPR 2018).

The target's photos are distorted at random, so that their truth is known; the camera's are not needed. A deep
Q-network learns what each small edit, and all that can follow it, brings the photo nearer to its truth. The
edits are affine in colour, so that a whole list of them is one transform.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.batch import Batch
from wespe.edits import CHANNELS, EDITS, affine_of, apply_affine, composed
from wespe.generator import Generator, Place
from wespe.lab import lab_of
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.photo_state import SIDE_PX, PhotoState
from wespe.networks.thumbnail import thumbnails
from wespe.regrade import regraded
from wespe.replay import Replay

STEP = 1.05
MOST_ALIKE = 10  # times that an edit is made, less those that undo it: 1.63, about the strongest distortion
STOP = -1  # instead of an action's number
NO_CHANGE = torch.eye(3, 4)
PHOTO = (3, SIDE_PX, SIDE_PX)
LAB_UNIT = 10.0  # distances in CIELab are divided by it
PACE = 5  # edits between two states of an episode that are learned from: neighbours are alike
SPARSE = 2  # every second row and column is enough to compare colours


def _actions() -> tuple[tuple[str, tuple[float, ...]], ...]:
    channels = [tuple(STEP if one == other else 1.0 for other in CHANNELS) for one in CHANNELS]
    kinds: list[tuple[str, tuple[float, ...]]]
    kinds = [(name, (STEP,)) for name in ("brightness", "contrast", "saturation")]
    kinds += [("white_balance", factors) for factors in channels]
    return tuple(
        (name, tuple(factor**sign for factor in factors)) for name, factors in kinds for sign in (1, -1)
    )


ACTIONS = _actions()  # each 5 % up or down: brightness, contrast, saturation, red, green, blue
TRANSFORMS = torch.cat([affine_of(name, torch.tensor([factors])) for name, factors in ACTIONS])


@dataclass(frozen=True, kw_only=True)
class DistortRecoverConfig:
    """Settings of the method.

    edits: the most edits that a photo gets; it gets fewer if no more would help.
    memory: number of photos that are being retouched at a time in training.
    discount: worth of the next edit's reward, relative to this one's.
    exploration: the share of edits in training that are chosen at random, at the end; at first it is 1.
    exploring_steps: number of steps until then.
    follow: share by which the target network follows the learning one in each step.
    distortion: strength of the distortions; 1 is typical of weak cameras.
    """

    name: Literal["distort_recover"] = "distort_recover"
    edits: int = 30
    memory: int = 64
    discount: float = 0.95
    exploration: float = 0.1
    exploring_steps: int = 100
    follow: float = 0.02
    distortion: float = 1.0

    def __post_init__(self) -> None:
        for name in ("edits", "memory"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("discount", "exploration", "follow"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if self.exploring_steps < 0:
            raise ValueError(f"exploring_steps must be at least 0, not {self.exploring_steps}")
        if self.distortion <= 0:
            raise ValueError(f"distortion must be above 0, not {self.distortion}")

    def chance(self, step: int) -> float:
        """Return the share of random edits at a step."""
        done = min(1.0, step / self.exploring_steps) if self.exploring_steps else 1.0
        return 1 + done * (self.exploration - 1)


class DistortRecoverDecision(NamedTuple):
    """transform: (n, 3, 4), of colour, of all edits together. actions: (n, edits), or STOP."""

    transform: torch.Tensor
    actions: torch.Tensor


class Recoverer(Generator):
    """photos_nchw → photos_nchw, float 0–1, edited until no edit promises anything."""

    decides: ClassVar[bool] = True

    def __init__(self, config: DistortRecoverConfig):
        super().__init__()
        self.config = config
        self.worth = PhotoState(len(ACTIONS), from_zero=True)

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> DistortRecoverDecision:
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            photos = thumbnails(strips_nchw, SIDE_PX)
            transform = NO_CHANGE.to(photos).repeat(len(photos), 1, 1)
            going = torch.ones(len(photos), dtype=torch.bool, device=photos.device)
            actions, made = [], photos.new_zeros(len(photos), len(ACTIONS))
            for _ in range(self.config.edits):
                worth = self.worth(apply_affine(photos, transform).clamp(0, 1))
                most, best = worth.masked_fill(made >= MOST_ALIKE, -1.0).max(1)
                going = going & (most > 0)
                after = composed(transform, TRANSFORMS.to(photos)[best])
                transform = torch.where(going[:, None, None], after, transform)
                actions.append(torch.where(going, best, STOP))
                once = functional.one_hot(best, len(ACTIONS)).to(made)
                made = (
                    made + once - once.unflatten(1, (-1, 2)).flip(2).flatten(1)
                )  # ups and downs are neighbours
            return DistortRecoverDecision(transform, torch.stack(actions, 1))

    def forward(
        self,
        photos_nchw: torch.Tensor,
        decision: DistortRecoverDecision | None = None,
        place: Place | None = None,
    ) -> torch.Tensor:
        decision = decision or self.decide([photos_nchw])
        return apply_affine(photos_nchw, decision.transform).clamp(0, 1)

    def explain(self, decision: DistortRecoverDecision, index: int = 0) -> dict[str, Any]:
        return {"edits": listed(action for action in decision.actions[index].tolist() if action != STOP)}


def listed(actions: Iterable[int]) -> list[dict[str, Any]]:
    """Return actions as edits for `EditList`; those of one kind in a row are one edit, their product."""
    merged: list[tuple[str, list[float]]] = []
    for name, factors in (ACTIONS[number] for number in actions):
        if merged and merged[-1][0] == name:
            merged[-1] = name, [a * b for a, b in zip(merged[-1][1], factors, strict=True)]
        else:
            merged.append((name, list(factors)))
    return [{"edit": name, **EDITS[name].named(values)} for name, values in merged]


def distance(photos_nchw: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """Return the root mean square distance in CIELab of each photo, (n,), in units of LAB_UNIT."""
    sparse = slice(None, None, SPARSE)
    apart = lab_of(photos_nchw[..., sparse, sparse].clamp(0, 1)) - lab_of(truths[..., sparse, sparse])
    return (apart.square().sum(1).mean((1, 2)) + 1e-8).sqrt() / LAB_UNIT


def all_edited(photos_nchw: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """Apply to each photo its transform, then each action: (n · actions, 3, h, w)."""
    count, actions = len(photos_nchw), len(ACTIONS)
    after = composed(transforms.repeat_interleave(actions, 0), TRANSFORMS.to(photos_nchw).repeat(count, 1, 1))
    return apply_affine(photos_nchw.repeat_interleave(actions, 0), after)


class States(NamedTuple):
    """States from the replay memory.

    photos: as edited so far. rewards: (n, actions), how much nearer to the truth each action brings it.
    results: (n · actions, 3, SIDE_PX, SIDE_PX), what each action makes of it.
    """

    photos: torch.Tensor
    rewards: torch.Tensor
    results: torch.Tensor


class DistortRecover(Method):
    """Trains the worth of edits on distorted photos of the target, by Q-learning with a replay memory."""

    whole_photos: ClassVar[bool] = True

    def __init__(
        self,
        config: DistortRecoverConfig,
        *,
        size_px: int,
        features: Mapping[str, torch.Tensor] | None = None,
    ):
        super().__init__()
        self.config = config
        self.networks = nn.ModuleDict({"generator": Agent(config)})
        self.target = PhotoState(len(ACTIONS), from_zero=True).requires_grad_(False)
        self.target.load_state_dict(self.generator.worth.state_dict())
        self.replay = Replay(config.memory, {"photo": PHOTO, "photo_true": PHOTO, "transform": (3, 4)})
        self.turns = (Turn("generator", self.losses, {"worth": 1.0}),)

    @property
    def generator(self) -> Recoverer:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    @torch.no_grad()
    def render(self, networks: Networks, batch: Batch) -> States:
        """Draw states from the memory, and go on with their episodes."""
        self._follow()
        truths = thumbnails([batch.target], SIDE_PX)
        slots = self.replay.draw(len(truths), batch.random)
        self._begin(slots, truths[: len(slots)], batch)
        rows = self.replay.read(slots)
        photos = apply_affine(rows["photo"], rows["transform"])
        results = all_edited(rows["photo"], rows["transform"])
        far = distance(photos, rows["photo_true"])
        near = distance(results, rows["photo_true"].repeat_interleave(len(ACTIONS), 0))
        self._go_on(slots, rows, batch)
        return States(photos, far[:, None] - near.view(len(photos), -1), results)

    def _begin(self, slots: torch.Tensor, truths: torch.Tensor, batch: Batch) -> None:
        """Fill those of the slots that are free with newly distorted photos."""
        free = self.replay.steps[slots] < 0
        rows = {
            "photo": regraded(truths, batch.random, self.config.distortion),
            "photo_true": truths,
            "transform": NO_CHANGE.to(truths).repeat(len(truths), 1, 1),
        }
        none = torch.zeros_like(slots[free])
        self.replay.write(slots[free], {name: row[free] for name, row in rows.items()}, none)

    def _go_on(self, slots: torch.Tensor, rows: dict[str, torch.Tensor], batch: Batch) -> None:
        """Do some edits, the best ones or at random; free the slots of episodes that end."""
        steps, transform, device = self.replay.steps[slots], rows["transform"], slots.device
        going = torch.ones_like(slots, dtype=torch.bool)
        for _ in range(PACE):
            most, best = self.generator.worth(apply_affine(rows["photo"], transform).clamp(0, 1)).max(1)
            explores, drawn = torch.rand(2, len(slots), generator=batch.random, device=device)
            explores = explores < self.config.chance(batch.step)
            action = torch.where(explores, (drawn * len(ACTIONS)).long(), best)
            transform = composed(transform, TRANSFORMS.to(transform)[action])
            steps = steps + 1
            going &= (steps < self.config.edits) & (explores | (most > 0))
        self.replay.write(slots, {"transform": transform}, torch.where(going, steps, -1))

    def losses(self, networks: Networks, states: States) -> Losses:
        """Compute the Huber loss of the worth of all actions to their targets.

        The result of every action is known, not only that of the one that was done, so each state teaches
        all of them.
        """
        with torch.no_grad():
            results, shape = states.results.clamp(0, 1), (*states.rewards.shape, -1)
            following = self.target(results).view(shape), self.generator.worth(results).view(shape)
            targets = td_targets(states.rewards, *following, self.config.discount)
        worth = networks["generator"](states.photos.clamp(0, 1))
        return {
            "worth": functional.smooth_l1_loss(worth.float(), targets),
            "reward": states.rewards.amax(1).mean(),
        }

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the target network towards the learning one."""
        own: list[torch.Tensor] = list(self.generator.worth.parameters())
        torch._foreach_lerp_(list(self.target.parameters()), own, self.config.follow)


class Agent(nn.Module):
    """photos (n, 3, SIDE_PX, SIDE_PX) → what each action is worth."""

    def __init__(self, config: DistortRecoverConfig):
        super().__init__()
        self.enhance = Recoverer(config)

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return self.enhance.worth(photos_nchw)


def td_targets(
    rewards: torch.Tensor, following: torch.Tensor, choosing: torch.Tensor, discount: float
) -> torch.Tensor:
    """Return r + γ max(0, Q'(s', argmax Q(s', a'))), as double Q-learning does (van Hasselt et al. 2016).

    After each action the agent may stop, which is worth 0.
    rewards: (n, actions). following, choosing: (n, actions, actions), the worth after each action, by the
        target network and by the one that learns.
    """
    best = choosing.argmax(2, keepdim=True)
    return rewards + discount * following.gather(2, best).squeeze(2).clamp(min=0)
