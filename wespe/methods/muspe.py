"""MUSPE: divide-and-conquer adversarial learning (DACAL, Huang et al. 2019, arXiv 1910.10455)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.adversarial import GAMES
from wespe.batch import Batch
from wespe.generator import Generator
from wespe.lipschitz import LipschitzConfig, LipschitzWeight
from wespe.losses import NonNegative, squared_error, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.sliced_critic import SlicedCritic, SlicedCriticConfig
from wespe.networks.two_stream import TwoStream, TwoStreamConfig
from wespe.penalty import gradient_norms, one_sided_penalty
from wespe.views import BlurConfig, frequency_bands, gaussian_kernel

GAME = GAMES["wasserstein"]


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the generator's losses.

    adversarial: of each critic.
    fidelity, identity: squared differences of x and E(x), and of y and E(y): neither the camera's photos nor
        the target's should change more than the critics ask for.
    """

    adversarial: float = 1.0
    fidelity: float = 0.2
    identity: float = 1.0
    tv: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MuspeConfig:
    """Settings; each division of the paper can be switched off.

    generator: its `streams` are the division by perception. critic: its `slices` are that by dimension.
    frequency: a critic for low and one for high frequencies; otherwise one for the photo.
    reductions: factors by which photos are reduced, one after another for equal shares of the training, such
        as [2, 1]: coarse to fine. The last must be 1, full resolution.
    critic_steps: steps of the critics per step of the generator.
    blur: its result is the low frequencies.
    """

    name: Literal["muspe"] = "muspe"
    generator: TwoStreamConfig = field(default_factory=TwoStreamConfig)
    critic: SlicedCriticConfig = field(default_factory=SlicedCriticConfig)
    frequency: bool = True
    reductions: tuple[int, ...] = (2, 1)
    critic_steps: int = 3
    penalty: LipschitzConfig = field(default_factory=LipschitzConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    blur: BlurConfig = field(default_factory=BlurConfig)

    def __post_init__(self) -> None:
        if not self.reductions or self.reductions[-1] != 1 or min(self.reductions) < 1:
            raise ValueError(
                f"reductions must be factors of at least 1 that end with 1, not {list(self.reductions)}"
            )
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")

    @property
    def critics(self) -> tuple[str, ...]:
        """Names of the critics."""
        return ("low", "high") if self.frequency else ("photo",)

    @property
    def generator_weights(self) -> dict[str, float]:
        """Weight of each of the generator's losses."""
        weights = vars(self.weights)
        others = {name: weight for name, weight in weights.items() if name != "adversarial"}
        return dict.fromkeys(self.critics, self.weights.adversarial) | others

    @property
    def critic_weights(self) -> dict[str, float]:
        """Weight of each of the critics' losses; λ is in the penalty."""
        return {f"{critic}_{term}": 1.0 for critic in self.critics for term in ("critic", "penalty")}


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor
    kept: torch.Tensor  # E(y)


class Muspe(Method):
    """Trains a two-stream generator against sliced Wasserstein critics of both frequency bands."""

    blur: torch.Tensor

    def __init__(
        self, config: MuspeConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        _check_size(config, size_px)
        self.config = config
        self.networks = nn.ModuleDict({"generator": TwoStream(config.generator), "critics": Critics(config)})
        self.lipschitz = LipschitzWeight(config.penalty, len(config.critics))
        self.register_buffer("blur", gaussian_kernel(config.blur), persistent=False)
        self.turns = (
            Turn("generator", self.generator_losses, config.generator_weights),
            Turn("critics", self.critic_losses, config.critic_weights, repeats=config.critic_steps),
        )

    @property
    def generator(self) -> Generator:
        return self.networks["generator"]  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        """Enhance the source and the target, at this step's resolution."""
        batch = self._reduced(batch)
        both = networks["generator"](torch.cat([batch.source, batch.target]))
        return Scene(batch, *both.split([len(batch.source), len(batch.target)]))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute −C(E(x)) of each critic, and what keeps E near the identity.

        Scores, like the distances they bound, are summed over all values of a photo. Divided by the root of
        their number they are in units of 0–1, so that the weights suit any size of patch.
        """
        batch, enhanced = scene.batch, scene.enhanced
        scores = networks["critics"](*self.views(enhanced))
        unit = enhanced[0].numel() ** 0.5
        adversarial = {
            critic: GAME.generator(score).mean() / unit
            for critic, score in zip(self.config.critics, scores, strict=True)
        }
        return adversarial | {
            "fidelity": squared_error(batch.source, enhanced),
            "identity": squared_error(batch.target, scene.kept),
            "tv": total_variation_loss(enhanced),
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute E[C(E(x))] − E[C(y)] + λ E[max(0, ‖∇C(E(x))‖ − 1)] of each critic, and adapt λ."""
        target = scene.batch.target
        views = self.views(torch.cat([target, scene.enhanced.detach()]))
        views = tuple(view.requires_grad_() for view in views)
        real, losses, followed = len(target), {}, []
        weights = self.lipschitz.weight.clone()
        scores = networks["critics"](*views)
        for critic, score, view, weight in zip(self.config.critics, scores, views, weights, strict=True):
            norms = gradient_norms(score[real:], view)[real:]
            losses[f"{critic}_critic"] = GAME.real(score[:real]).mean() + GAME.fake(score[real:]).mean()
            losses[f"{critic}_penalty"] = weight * one_sided_penalty(norms)
            losses[f"{critic}_gradient"] = followed_norm = norms.detach().mean()
            losses[f"{critic}_weight"] = weight
            followed.append(followed_norm)
        self.lipschitz.adapt(self.gather(torch.stack(followed)).mean(0))
        return losses

    def views(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return each critic's input."""
        return frequency_bands(photos_nchw, self.blur) if self.config.frequency else (photos_nchw,)

    def _reduced(self, batch: Batch) -> Batch:
        factor = reduction_at(self.config.reductions, batch.step, batch.steps)
        source, target = (functional.avg_pool2d(side, factor) for side in (batch.source, batch.target))
        return replace(batch, source=source, target=target)


class Critics(nn.Module):
    """One critic per view."""

    def __init__(self, config: MuspeConfig):
        super().__init__()
        self.of = nn.ModuleDict({name: SlicedCritic(config.critic, channels=3) for name in config.critics})

    def forward(self, *views: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(critic(view) for critic, view in zip(self.of.values(), views, strict=True))


def reduction_at(reductions: tuple[int, ...], step: int, steps: int | None) -> int:
    """Return the factor that is due at a step of a training of `steps` steps; the last if that is unknown."""
    if steps is None:
        return reductions[-1]
    return reductions[min(step * len(reductions) // steps, len(reductions) - 1)]


def _check_size(config: MuspeConfig, size_px: int) -> None:
    """Raises ValueError if the most reduced patch is too small for the blur or for the critics."""
    least = max(config.blur.taps // 2 + 1 if config.frequency else 1, 2**config.critic.halvings)
    if size_px // max(config.reductions) < least:
        raise ValueError(
            f"patches of {size_px} px, reduced by {max(config.reductions)}, are smaller than the {least} px"
            " that the critics need; cut larger patches, or use smaller factors in reductions"
        )
