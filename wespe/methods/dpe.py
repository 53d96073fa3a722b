"""Deep Photo Enhancer: whole photos, two generators and two critics (Chen et al., CVPR 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.batch import Batch
from wespe.losses import NonNegative, squared_error
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.photo_critic import PhotoCritic, PhotoCriticConfig
from wespe.networks.thumbnail import thumbnails
from wespe.networks.unet import ThumbnailUNet, UNet, UNetConfig
from wespe.penalty import AdaptiveWeight, PenaltyConfig, between, gradient_norms, one_sided_penalty

DOMAINS = ("source", "target")


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses: 1, α and 10 α, with α = 1000 for photos of 512 px.

    A critic changes by at most 1 per unit of the photo's norm, which grows with the side, but mean squared
    errors do not. For the same balance, scale α with the side.
    """

    adversarial: float = 1.0
    identity: float = 1000.0
    cycle: float = 10000.0


@dataclass(frozen=True, kw_only=True)
class DpeConfig:
    """The defaults are the paper's, except for the size of photos.

    critic_steps: the generators learn in every so many steps, the critics in all. 50 is from the authors'
        code.
    """

    name: Literal["dpe"] = "dpe"
    generator: UNetConfig = field(default_factory=UNetConfig)
    critic: PhotoCriticConfig = field(default_factory=PhotoCriticConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)
    critic_steps: int = 50

    def __post_init__(self) -> None:
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")


class Scene(NamedTuple):
    """x and y of the batch, G(x), G'(y), and the way back: G'(G(x)), G(G'(y))."""

    batch: Batch
    enhanced: torch.Tensor
    weakened: torch.Tensor
    source_again: torch.Tensor
    target_again: torch.Tensor


class Dpe(Method):
    """Trains G and G' against the critics D_Y (is it a target photo?) and D_X (is it the camera's?)."""

    whole_photos: ClassVar[bool] = True

    def __init__(
        self, config: DpeConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        if (side := config.generator.thumbnail_px) > size_px:
            raise ValueError(
                f"generator.thumbnail_px is {side}; it must be at most {size_px}, the side of reduced photos"
            )
        self.networks = nn.ModuleDict(
            {
                "generators": Generators(config.generator),
                "critics": Critics(config.critic, size_px=side),
            }
        )
        self.penalty = AdaptiveWeight(config.penalty, len(DOMAINS))
        self.turns = (
            Turn("generators", self.generator_losses, vars(config.weights), every=config.critic_steps),
            Turn(
                "critics",
                self.critic_losses,
                {f"{domain}_{term}": 1.0 for domain in DOMAINS for term in ("critic", "penalty")},
            ),
        )

    @property
    def generator(self) -> ThumbnailUNet:
        return self.networks["generators"].enhance  # type: ignore[return-value]

    def render(self, networks: Networks, batch: Batch) -> Scene:
        """Map both sets there and back, at the size at which photos will be enhanced."""
        side = self.generator.thumbnail_px
        batch = replace(
            batch, source=thumbnails([batch.source], side), target=thumbnails([batch.target], side)
        )
        return Scene(batch, *networks["generators"](batch.source, batch.target))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute −A_G, I and C: adversarial, identity and cycle losses, in both directions."""
        batch = scene.batch
        source, target = networks["critics"](scene.weakened, scene.enhanced)
        return {
            "adversarial": -source.float().mean() - target.float().mean(),
            "identity": squared_error(batch.source, scene.enhanced)
            + squared_error(batch.target, scene.weakened),
            "cycle": squared_error(batch.source, scene.source_again)
            + squared_error(batch.target, scene.target_again),
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute −A_D + λ P for both critics, with real, fake and mixed photos in one call."""
        batch, fakes = scene.batch, (scene.weakened.detach(), scene.enhanced.detach())
        mixed = [
            between(real, fake, batch.random)
            for real, fake in zip((batch.source, batch.target), fakes, strict=True)
        ]
        scores = networks["critics"](
            torch.cat([batch.source, fakes[0], mixed[0]]), torch.cat([batch.target, fakes[1], mixed[1]])
        )
        losses, penalties = {}, []
        for domain, scored, views in zip(DOMAINS, scores, mixed, strict=True):
            real, fake, middle = scored.float().chunk(3)
            losses[f"{domain}_critic"] = fake.mean() - real.mean()
            penalties.append(one_sided_penalty(gradient_norms(middle, views)))
        return losses | self._weighted(torch.stack(penalties))

    def _weighted(self, penalties: torch.Tensor) -> Losses:
        """Return λ P and λ of each critic, and adapt λ to the penalties of all workers."""
        weights = self.penalty.weight.clone()
        self.penalty.adapt(self.gather(penalties.detach()).mean(0))
        return {
            f"{domain}_{term}": value
            for term, values in (("penalty", weights * penalties), ("lambda", weights))
            for domain, value in zip(DOMAINS, values, strict=True)
        }


class Generators(nn.Module):
    """G (camera → target) and G' (target → camera)."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.enhance = ThumbnailUNet(config)
        self.weaken = UNet(config)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return G(x), G'(y), G'(G(x)), G(G'(y)). What is rendered is normalised apart from photos."""
        enhance = self.enhance.unet
        enhanced, weakened = enhance(source, "photo"), self.weaken(target, "photo")
        return enhanced, weakened, self.weaken(enhanced, "rendered"), enhance(weakened, "rendered")


class Critics(nn.Module):
    """D_X on photos like the camera's, D_Y on photos like the target's."""

    def __init__(self, config: PhotoCriticConfig, *, size_px: int):
        super().__init__()
        self.source = PhotoCritic(config, size_px=size_px)
        self.target = PhotoCritic(config, size_px=size_px)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.source(source), self.target(target)
