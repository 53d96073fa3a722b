"""This project's own method, for unpaired sets: per-photo colour by 3-D LUTs plus a small detail residual."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

from wespe.adversarial import AdversarialConfig, Adversary
from wespe.batch import Batch
from wespe.generator import Generator, Place
from wespe.kernels.compiled import suits
from wespe.kernels.textured import textured
from wespe.losses import NonNegative, content_loss, identity_loss, total_variation_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.activity import Noise
from wespe.networks.detail import Detail, DetailConfig
from wespe.networks.features import ContentConfig, Features
from wespe.networks.lut import Colour, ColourConfig, Decision, folding, roughness
from wespe.networks.patch_critic import PatchCritic, PatchCriticConfig
from wespe.networks.texture import Texture, TextureConfig
from wespe.sample import Sample
from wespe.set_match import fit_start
from wespe.views import BlurConfig, colour_view, gaussian_kernel, texture_view

COLOUR_GAIN, TEXTURE_GAIN = 2.0, 8.0


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    content: between the initial transform's output and the enhanced photo; keeps their colours similar.
    identity: |detail(y) − y|: the detail network should not change photos of the target set.
    smooth, monotone: regularise the LUTs, to avoid banding in skies.
    """

    content: float = 0.5
    colour: float = 0.2
    texture: float = 0.05
    identity: float = 0.05
    tv: float = 1.0
    smooth: float = 0.1
    monotone: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LutResidualConfig:
    """start_patches: maximum number of patches per set that the initial transform is fitted to."""

    name: Literal["lut_residual"] = "lut_residual"
    colour: ColourConfig = field(default_factory=ColourConfig)
    texture: TextureConfig = field(default_factory=TextureConfig)
    detail: DetailConfig = field(default_factory=DetailConfig)
    critic: PatchCriticConfig = field(default_factory=PatchCriticConfig)
    content: ContentConfig = field(default_factory=lambda: ContentConfig(layers={"relu3_1": 1.0}))
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial: AdversarialConfig = field(
        default_factory=lambda: AdversarialConfig(loss="hinge", reduction="mean")
    )
    blur: BlurConfig = field(default_factory=BlurConfig)
    start_patches: int = 4096

    def __post_init__(self) -> None:
        if self.start_patches < 1:
            raise ValueError(f"start_patches must be at least 1, not {self.start_patches}")


class Scene(NamedTuple):
    """What one step's losses need.

    started: the initial transform's output for the source. kept: detail(target).
    rough, folded: the LUTs' smoothness and monotonicity losses.
    """

    batch: Batch
    started: torch.Tensor
    enhanced: torch.Tensor
    kept: torch.Tensor
    rough: torch.Tensor
    folded: torch.Tensor


class LutResidual(Generator):
    """The generator: colour, then texture, then detail. photos_nchw → photos_nchw, float 0–1."""

    decides: ClassVar[bool] = True

    def __init__(self, colour: ColourConfig, texture: TextureConfig, detail: nn.Module, step_px: int = 1):
        """detail: a network of photos_nchw → photos_nchw, with its `halo_px`; its last layer is `tail`, and
        while that is all zeros, it changes nothing.
        """
        super().__init__()
        self.colour = Colour(colour)
        self.texture = Texture(texture)
        self.detail = detail
        self.step_px, self.strip_px = step_px, self.colour.strip_px

    @classmethod
    def of(cls, config: LutResidualConfig) -> "LutResidual":
        """With this method's own detail."""
        return cls(config.colour, config.texture, Detail(config.detail))

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Decision:
        """Analyse whole photos in strips (see `Colour.decide_by_strips`); `forward` then accepts any tile."""
        return self.colour.decide_by_strips(strips_nchw)

    def compact(self, decision: Decision) -> Decision:
        return decision._replace(thumbnail=decision.thumbnail[..., :0, :0].clone())

    def forward(
        self, photos_nchw: torch.Tensor, decision: Decision | None = None, place: Place | None = None
    ) -> torch.Tensor:
        return self.detailed(self.without_detail(photos_nchw, decision))

    def without_detail(self, photos_nchw: torch.Tensor, decision: Decision | None) -> torch.Tensor:
        """Apply colour and texture, by compiled passes where possible."""
        if not suits(photos_nchw):
            return self.textured(photos_nchw, decision)[0]
        decision = decision or self.colour.decide(photos_nchw)
        return textured(photos_nchw, self.colour, self.texture, decision)

    def detailed(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        """Apply the detail network, which changes nothing before training; compiled passes skip it then."""
        return photos_nchw if suits(photos_nchw) and not self.has_detail else self.detail(photos_nchw)

    @property
    def has_detail(self) -> bool:
        """Whether the detail network has learned anything."""
        return any(parameter.any() for parameter in self.detail.tail.parameters())  # type: ignore[union-attr]

    def textured(
        self, photos_nchw: torch.Tensor, decision: Decision | None = None
    ) -> tuple[torch.Tensor, Noise]:
        """Return the photos after colour and texture, without detail, and the noise estimate."""
        matched = self.colour.matched(photos_nchw)
        return self.textured_matched(matched, decision or self.colour.decide_matched(matched))

    def textured_matched(self, matched: torch.Tensor, decision: Decision) -> tuple[torch.Tensor, Noise]:
        """Do the same for photos to which the tone curves have been applied."""
        noise = self.colour.noise(matched, decision)
        return self.texture(self.colour.apply_decision(matched, decision), noise), noise


class Renderer(nn.Module):
    """Computes everything that the losses need from the generator in one forward pass."""

    def __init__(self, config: LutResidualConfig):
        super().__init__()
        self.enhance = LutResidual.of(config)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the fields of a Scene, except its batch."""
        colour, texture = self.enhance.colour, self.enhance.texture
        textured, noise = self.enhance.textured(source)
        both = torch.cat([textured, target])
        enhanced, kept = self.enhance.detail(both).split([len(source), len(target)])
        return (
            texture(colour.start(source), noise),
            enhanced,
            kept,
            roughness(colour.luts),
            folding(colour.luts),
        )


class LutResidualMethod(Method):
    """Trains the generator against a colour critic and a texture critic, from a fitted initial transform."""

    blur: torch.Tensor

    def __init__(
        self, config: LutResidualConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.networks = nn.ModuleDict({"generator": Renderer(config), "critics": Critics(config.critic)})
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.register_buffer("blur", gaussian_kernel(config.blur), persistent=False)
        self.adversary = Adversary(config.adversarial)
        self.first_patches = config.start_patches
        judged = self.adversary.weights("colour") | self.adversary.weights("texture")
        self.turns = (
            Turn("generator", self.generator_losses, vars(config.weights)),
            Turn("critics", self.critic_losses, judged),
        )

    @property
    def generator(self) -> LutResidual:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def prepare(self, source: Sample, target: Sample) -> str:
        return fit_start(self.generator.colour, self.generator.texture, source, target)

    def render(self, networks: Networks, batch: Batch) -> Scene:
        return Scene(batch, *networks["generator"](batch.source, batch.target))

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute all terms of the total loss."""
        batch, enhanced = scene.batch, scene.enhanced
        with torch.no_grad():
            content = self.features(scene.started)
        colour, texture = networks["critics"](*self._views(enhanced))
        return {
            "content": content_loss(content, self.features(enhanced), self.layer_weights),
            "colour": self.adversary.generator_loss(colour, batch.total),
            "texture": self.adversary.generator_loss(texture, batch.total),
            "identity": identity_loss(batch.target, scene.kept),
            "tv": total_variation_loss(enhanced),
            "smooth": scene.rough,
            "monotone": scene.folded,
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute both critics' losses, with real and fake photos in one call."""
        batch = scene.batch
        both = torch.cat([batch.target, scene.enhanced.detach()])
        both.requires_grad_(self.adversary.penalises(batch.step))
        views, real = self._views(both), len(batch.target)
        colour, texture = networks["critics"](*views)
        return self.adversary.critic_losses("colour", colour, real, views[0]) | self.adversary.critic_losses(
            "texture", texture, real, views[1]
        )

    def _views(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the critics' inputs: blurred colours, and luma minus blurred luma.

        Both are scaled to about −1 to 1, since spectral norm limits how strongly a critic can respond to
        small differences.
        """
        blurred = colour_view(photos_nchw, self.blur)
        texture = texture_view(photos_nchw) - texture_view(blurred)
        return COLOUR_GAIN * (blurred - 0.5), TEXTURE_GAIN * texture


class Critics(nn.Module):
    """One patch critic on colour views and one on texture views."""

    def __init__(self, config: PatchCriticConfig):
        super().__init__()
        self.colour = PatchCritic(config, channels=3)
        self.texture = PatchCritic(config, channels=1)

    def forward(self, colour: torch.Tensor, texture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.colour(colour), self.texture(texture)
