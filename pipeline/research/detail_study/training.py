"""Trains one setting with one seed, within limits of steps and seconds."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from pipeline.research.detail_study.critics import (
    Critics,
    DetailView,
    FrozenFeatures,
    critic_loss,
    fooling_loss,
)
from pipeline.research.detail_study.settings import Setting
from wespe.degradation import Degradation, fit_degradation
from wespe.networks.activity import activity, bands
from wespe.networks.restorer import Restorer, RestorerConfig
from wespe.views import texture_view

RATE, CRITIC_RATE = 1e-3, 1e-3
DECAY = 0.998
PIXELS = 4.0  # weight of L1 beside the features'
LOW = 20.0  # weight of what 8-px means move from the start
PENALTY = 1.0
WARM_UP = 0.05  # share of the training in which critics learn alone
QUIET = 0.2  # share of a patch that counts as its quietest places
CAMERA_BATCHES = 64  # of each set, that the degradation is fitted to


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of steps and seconds, whichever is reached first; patches per step, and their side."""

    steps: int = 1500
    seconds: float = 30.0
    batch: int = 32
    size_px: int = 80
    camera_steps: int = 250


@dataclass
class Material:
    """Patches on the device: source after the initial transform, target, and aligned pairs for the oracle."""

    sources: torch.Tensor
    targets: torch.Tensor
    pairs: tuple[torch.Tensor, torch.Tensor] | None = None


@dataclass
class TrainedRestorer:
    restorer: Restorer
    steps: int
    seconds: float
    log: dict[str, Any] = field(default_factory=dict)


def drawn(patches: torch.Tensor, budget: Budget, *others: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield random batches, with the same crops, flips and rotations for all given tensors."""
    size = budget.size_px
    while True:
        chosen = torch.randint(len(patches), (budget.batch,), device=patches.device)
        room = torch.tensor(patches.shape[-2:]) - size + 1
        top, left = (int(torch.randint(int(limit), ())) for limit in room)
        turns, flip = int(torch.randint(4, ())), bool(torch.randint(2, ()))
        cut = [p[chosen, :, top : top + size, left : left + size] for p in (patches, *others)]
        turned = [torch.rot90(c.flip(-1) if flip else c, turns, (-2, -1)) for c in cut]
        yield tuple(t.contiguous(memory_format=torch.channels_last) for t in turned)


def train(
    setting: Setting, material: Material, features: FrozenFeatures, budget: Budget, seed: int
) -> TrainedRestorer:
    """Train on the material; return the moving average of the weights."""
    torch.manual_seed(seed)
    began, device = time.monotonic(), material.targets.device
    lesson = Lesson(setting, material, features, budget, device)
    restorer = Restorer(RestorerConfig(width=setting.width, blocks=setting.blocks, dense=setting.dense)).to(
        device
    )
    restorer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(restorer).requires_grad_(False)
    optimiser = torch.optim.Adam(
        restorer.parameters(), lr=RATE, betas=(0.9, 0.99), fused=device.type == "cuda"
    )
    history: list[dict[str, float]] = []
    log: dict[str, Any] = {"camera": lesson.described, "progress": history}
    step, progress = 0, 0.0
    while progress < 1:
        optimiser.param_groups[0]["lr"] = RATE * _rate(progress)
        loss, parts = lesson.loss(restorer, progress)
        if loss is not None:
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        _follow(average, restorer, min(DECAY, (1 + step) / (10 + step)))
        if step % 100 == 0:
            noted = {name: round(float(value), 4) for name, value in parts.items()}
            history.append({"step": step, "seconds": round(time.monotonic() - began, 1), **noted})
        step += 1
        progress = max(step / budget.steps, (time.monotonic() - began) / budget.seconds)
    return TrainedRestorer(average, step, time.monotonic() - began, log)


def _rate(progress: float) -> float:
    """Return the learning rate factor: linear warm-up in the first 2 % of training, then cosine decay."""
    return min(1.0, 0.02 + progress / 0.02) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1))))


@torch.no_grad()
def _follow(average: Restorer, restorer: Restorer, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(restorer.parameters()), 1 - decay)


class Lesson:
    """Computes the losses of a setting in each step, and trains its critics."""

    def __init__(
        self,
        setting: Setting,
        material: Material,
        features: FrozenFeatures,
        budget: Budget,
        device: torch.device,
    ):
        self.setting, self.features = setting, features
        self.sources, self.targets = (drawn(p, budget) for p in (material.sources, material.targets))
        self.described: dict = {}
        self.camera: Degradation | None = None
        if setting.paired:
            assert material.pairs is not None
            self.pairs = drawn(material.pairs[0], budget, material.pairs[1])
        if setting.restore:
            self.camera = Degradation().to(device)
            some = range(CAMERA_BATCHES)
            sources, targets = ([next(side)[0] for _ in some] for side in (self.sources, self.targets))
            distances = fit_degradation(self.camera, sources, targets, features, budget.camera_steps)
            self.described = {**self.camera.described(), "distances": distances[::50]}
            self.camera.requires_grad_(False)
        self.critics, self.view = Critics().to(device), DetailView(device)
        self.learner = torch.optim.Adam(
            self.critics.parameters(), lr=CRITIC_RATE, betas=(0.0, 0.99), fused=device.type == "cuda"
        )

    def loss(
        self, restorer: Restorer, progress: float
    ) -> tuple[torch.Tensor | None, dict[str, torch.Tensor]]:
        """Return the total loss, or None if only critics learn, and its parts for logging."""
        parts: dict[str, torch.Tensor] = {}
        total: list[torch.Tensor] = []
        if self.setting.paired:
            source, truth = next(self.pairs)
            total.append(self._restored(_run(restorer, source), truth, parts))
        if self.camera is not None:
            [target] = next(self.targets)
            with torch.no_grad():
                degraded = self.camera(target, noise=self.setting.noise)
            total.append(self.setting.restore * self._restored(_run(restorer, degraded), target, parts))
            if self.setting.calm and not self.setting.critic:
                [source] = next(self.sources)
                parts["calm"] = louder_quiet(_run(restorer, source), source)
                total.append(self.setting.calm * parts["calm"])
        if self.setting.critic and progress >= self.setting.critic_from:
            fooled = self._game(restorer, parts)
            if progress >= self.setting.critic_from + WARM_UP:
                total.append(fooled)
        return (torch.stack(total).sum() if total else None), parts

    def _restored(
        self, restored: torch.Tensor, truth: torch.Tensor, parts: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        parts["pixels"] = (restored - truth).abs().mean()
        if self.setting.pixels_only:
            return 10 * parts["pixels"]
        with torch.no_grad():
            wanted = self.features(truth)
        distances = [
            (a.float() - b.float()).abs().mean() for a, b in zip(self.features(restored), wanted, strict=True)
        ]
        parts["features"] = torch.stack(distances).sum()
        return parts["features"] + PIXELS * parts["pixels"]

    def _game(self, restorer: Restorer, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        [source], [target] = next(self.sources), next(self.targets)
        enhanced = _run(restorer, source)
        with torch.no_grad():
            real = self.features(self.view(target))
        fake = self.features(self.view(enhanced))
        self.critics.requires_grad_(True)
        lost, parts["accuracy"] = critic_loss(self.critics, real, fake, PENALTY)
        self.learner.zero_grad(set_to_none=True)
        lost.backward()
        self.learner.step()
        self.critics.requires_grad_(False)
        parts["fool"] = fooling_loss(self.critics, real, fake)
        parts["low"] = functional.avg_pool2d(enhanced - source, 8).abs().mean()
        parts["calm"] = louder_quiet(enhanced, source) if self.setting.calm else parts["low"] * 0
        return self.setting.critic * parts["fool"] + LOW * parts["low"] + self.setting.calm * parts["calm"]


def _run(restorer: Restorer, photos_nchw: torch.Tensor) -> torch.Tensor:
    with torch.autocast(photos_nchw.device.type, torch.bfloat16, enabled=photos_nchw.is_cuda):
        return restorer(photos_nchw)


def louder_quiet(enhanced: torch.Tensor, started: torch.Tensor) -> torch.Tensor:
    """Return how much activity increases in flat areas; 1 is about a doubling in all bands."""
    with torch.autocast(enhanced.device.type, enabled=False):
        before, after = (activity(bands(texture_view(one.float()))) for one in (started, enhanced))
    floor = before.flatten(2).quantile(QUIET, dim=2)[..., None, None]
    return 12 * (functional.relu(after - before) * (before <= floor)).mean() / QUIET
