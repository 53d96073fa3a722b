"""This project's own method: whole photos for light and colour, patches for detail, both learned by undoing.

Good photos are changed as a weak camera changes them, and two networks learn to change them back: one sees
whole photos, since only these tell a dark street from a photo that is too dark; the other sees patches. What
the camera does to all of its photos alike is fitted first, as tone curves and local contrast.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import ClassVar, Literal, NamedTuple

import torch
from safetensors.torch import load
from torch import nn
from torch.nn import functional

from wespe.batch import Batch
from wespe.degradation import Degradation
from wespe.generator import Place
from wespe.kernels.compiled import suits
from wespe.losses import NonNegative, identity_loss
from wespe.method import Losses, Method, Networks, Turn
from wespe.methods.lut_residual import LutResidual
from wespe.methods.lut_restore import DegradationConfig, feature_loss, fit_to_sets
from wespe.networks.features import ContentConfig, Features
from wespe.networks.light import Light, LightConfig, LightDecision
from wespe.networks.lut import ColourConfig, Decision
from wespe.networks.restorer import Restorer, RestorerConfig
from wespe.networks.texture import TextureConfig
from wespe.networks.tone import LEVELS, apply_curves
from wespe.regrade import regraded
from wespe.sample import Sample
from wespe.set_match import fit_curves, fit_rest, found, histograms, matching_curves, set_curves

WEIGHTS = "light.safetensors"  # docs/methods/restore.md says how they were learned
# With other weights, this code has another digest, and cameras are trained again.
WEIGHTS_SHA256 = "f55ea7b4064803a60b15cfa6b797bff527f951ca111c46c0eb6f4e20ddf108c3"
LEAST_CROP = 0.7  # side of the random crops of whole photos, as a share
AREAS = 12  # along each side; light is compared in areas as well, since that is what the eye sees first


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    light: mean |difference| between a regraded and restored whole photo and its original, at pixels and in
        areas.
    features: mean |difference| between the content features of a restored patch and its original.
    pixels: mean |difference| between both patches.
    """

    light: float = 1.0
    features: float = 1.0
    pixels: float = 4.0


@dataclass(frozen=True, kw_only=True)
class RestoreConfig:
    """Settings of the method.

    learn_light: whether the network of light learns from the target's whole photos, which takes hundreds of
        them. Otherwise it is the one that comes with this package, and does not learn.
    least_effect: how much of its decisions has effect, 0–1, where the fitted part knows all that the camera
        does. With less evidence it is more, and all of it where nothing is known.
    regrade: strength of the random changes of light and colour that the network learns to undo; 1 is typical
        of weak cameras.
    start_patches: maximum number of patches per set that curves, texture and degradation are fitted to.
    """

    name: Literal["restore"] = "restore"
    colour: ColourConfig = field(
        default_factory=lambda: ColourConfig(bases=1, side=2, thumbnail_px=192, width=1)
    )
    texture: TextureConfig = field(default_factory=TextureConfig)
    light: LightConfig = field(default_factory=LightConfig)
    detail: RestorerConfig = field(default_factory=RestorerConfig)
    content: ContentConfig = field(
        default_factory=lambda: ContentConfig(layers={"relu1_2": 1.0, "relu2_2": 1.0, "relu3_1": 1.0})
    )
    weights: LossWeights = field(default_factory=LossWeights)
    degradation: DegradationConfig = field(default_factory=DegradationConfig)
    learn_light: bool = False
    least_effect: float = 0.3
    regrade: float = 1.0
    start_patches: int = 4096

    def __post_init__(self) -> None:
        if self.start_patches < 1:
            raise ValueError(f"start_patches must be at least 1, not {self.start_patches}")
        if not 0 <= self.least_effect <= 1:
            raise ValueError(f"least_effect must be at least 0 and at most 1, not {self.least_effect}")
        if self.regrade < 0:
            raise ValueError(f"regrade must be at least 0, not {self.regrade}")
        if self.colour.thumbnail_px < (least := 4 * 2 ** len(self.light.widths)):
            raise ValueError(
                f"colour.thumbnail_px must be at least {least}, not {self.colour.thumbnail_px}; "
                "or give light.widths fewer numbers"
            )


class RestoreDecision(NamedTuple):
    """Decisions of the tone curves' colour, and of light."""

    colour: Decision
    light: LightDecision


class Restored(LutResidual):
    """The generator: colour, texture, light, detail. photos_nchw → photos_nchw, float 0–1.

    effect: (), how much of the decisions of light has effect.
    """

    effect: torch.Tensor

    def __init__(self, config: RestoreConfig):
        super().__init__(config.colour, config.texture, Restorer(config.detail), config.detail.block_px)
        self.light = Light(config.light)
        self.register_buffer("effect", torch.ones(()))

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> RestoreDecision:  # type: ignore[override]
        """Analyse whole photos in strips (see `Colour.decide_by_strips`); `forward` then accepts any tile."""
        return self._with_light(self.colour.decide_by_strips(strips_nchw))

    def compact(self, decision: RestoreDecision) -> RestoreDecision:  # type: ignore[override]
        return RestoreDecision(super().compact(decision.colour), decision.light)

    def _with_light(self, colour: Decision) -> RestoreDecision:
        return RestoreDecision(colour, self.light.decide(colour.thumbnail).times(self.effect))

    def forward(  # type: ignore[override]
        self,
        photos_nchw: torch.Tensor,
        decision: RestoreDecision | None = None,
        place: Place | None = None,
    ) -> torch.Tensor:
        if decision is None and not suits(photos_nchw):  # apply the tone curves once; ONNX needs it so
            matched = self.colour.matched(photos_nchw)
            decision = self._with_light(self.colour.decide_matched(matched))
            started = self.textured_matched(matched, decision.colour)[0]
        else:
            decision = decision or self.decide([photos_nchw])
            started = self.without_detail(photos_nchw, decision.colour)
        return self.detailed(self.light(started, decision.light, place))


class Scene(NamedTuple):
    """restored: degraded patches, restored. whole, relit: crops of whole photos; the same, regraded and
    restored; empty unless light learns.
    """

    batch: Batch
    restored: torch.Tensor
    whole: torch.Tensor
    relit: torch.Tensor


class Renderer(nn.Module):
    """Computes everything that the losses need from the generator in one forward pass."""

    def __init__(self, config: RestoreConfig):
        super().__init__()
        self.enhance = Restored(config)

    def forward(self, degraded: torch.Tensor, weak: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return restored patches and restored whole photos."""
        light = self.enhance.light
        return self.enhance.detail(degraded), light(weak, light.decide(weak)) if len(weak) else weak


class Restore(Method):
    """Trains light on whole photos of the target, and detail on its patches."""

    needs_whole: ClassVar[bool] = True

    def __init__(
        self, config: RestoreConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.config = config
        self.networks = nn.ModuleDict({"generator": Renderer(config)})
        for fitted in (self.generator.colour, self.generator.texture):
            fitted.requires_grad_(False)
        if not config.learn_light:
            _load_light(self.generator.light)
            self.generator.light.requires_grad_(False)
        self.features = Features(config.content, features)
        self.layer_weights = tuple(config.content.layers.values())
        self.degradation = Degradation().requires_grad_(False)
        self.first_patches = config.start_patches
        weights = vars(config.weights) | ({} if config.learn_light else {"light": 0})
        self.turns = (Turn("generator", self.losses, weights),)

    @classmethod
    def learns_from_whole(cls, config: RestoreConfig) -> bool:
        return config.learn_light

    @property
    def generator(self) -> Restored:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    @property
    def compilable(self) -> list[nn.Module]:
        return [*super().compilable, self.features]

    def prepare(self, source: Sample, target: Sample) -> str:
        """Fit what the camera does to all photos alike, as far as it is known.

        Everything is fitted to a target that light would bring back to the target's tones, so that curves and
        light together do. Where nothing is known of the camera, nothing is fitted, and light acts alone.
        """
        enhance, colour = self.generator, self.generator.colour
        share = fit_curves(colour, source.photo_means(histograms), target.photo_means(histograms))
        enhance.effect.fill_(1 - share * (1 - self.config.least_effect))
        before_light = self._before_light(target, share)
        set_curves(
            colour, apply_curves(colour.curves[None, :, None], before_light.to(colour.curves))[0, :, 0]
        )
        wanted = _with_curves(target, before_light)
        with torch.no_grad():
            fit_rest(colour, enhance.texture, source, wanted, share)
        steps = self.config.degradation.steps
        fit_to_sets(self.degradation, enhance.textured, source, wanted, self.features, steps)
        return found(colour, source, target, share)

    @torch.no_grad()
    def _before_light(self, target: Sample, share: float) -> torch.Tensor:
        """Return tone curves (3, 256) that undo a share of what light does to the target on average."""
        enhance, good, relit = self.generator, [], []
        for whole in target.whole_chunks():
            good += [histograms(whole)]
            relit += [histograms(enhance.light(whole, enhance.light.decide(whole).times(enhance.effect)))]
        before, after = (torch.cat(photos).double().mean(0).cpu() for photos in (relit, good))
        curves = matching_curves(before, after, self.config.colour).float()
        return torch.lerp(torch.linspace(0, 1, LEVELS).expand_as(curves), curves, share)

    def render(self, networks: Networks, batch: Batch) -> Scene:
        with torch.no_grad():
            whole, weak = self._regraded(batch)
            degraded = self.degradation(batch.target, batch.random, self.config.degradation.noise)
        restored, relit = networks["generator"](degraded, weak)
        return Scene(batch, restored, whole, relit)

    def _regraded(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return crops of whole photos, and the same regraded; none unless light learns."""
        if batch.whole is None:
            return batch.target[:0], batch.target[:0]
        whole = _cropped(batch.whole, batch.random, self.config.colour.thumbnail_px)
        return whole, regraded(whole, batch.random, self.config.regrade)

    def losses(self, networks: Networks, scene: Scene) -> Losses:
        target, restored = scene.batch.target, scene.restored
        light = {"light": light_loss(scene.whole, scene.relit)} if self.config.learn_light else {}
        return light | {
            "features": feature_loss(self.features, self.layer_weights, target, restored),
            "pixels": identity_loss(target, restored),
        }


def _load_light(light: Light) -> None:
    """Load the weights that come with this package. Raises ValueError if the network has another size."""
    data = files("wespe.networks").joinpath(WEIGHTS).read_bytes()
    assert hashlib.sha256(data).hexdigest() == WEIGHTS_SHA256, f"{WEIGHTS} is damaged; install wespe again"
    try:
        light.load_state_dict(load(data))
    except RuntimeError:
        raise ValueError(
            "the weights that come with this package are for the default light.widths and light.depth; "
            "keep these, or set learn_light: true"
        ) from None


def light_loss(whole: torch.Tensor, relit: torch.Tensor) -> torch.Tensor:
    """Mean |difference| at pixels, plus twice that in areas."""
    difference = relit - whole
    return difference.abs().mean() + 2 * functional.adaptive_avg_pool2d(difference, AREAS).abs().mean()


def _cropped(photos_nchw: torch.Tensor, random: torch.Generator | None, side: int) -> torch.Tensor:
    """Enlarge a random square of each photo to side × side pixels."""
    drawn = torch.rand(3, len(photos_nchw), device=photos_nchw.device, generator=random)
    share = LEAST_CROP + (1 - LEAST_CROP) * drawn[0]
    centre = (1 - share) * (2 * drawn[1:] - 1)
    none = torch.zeros_like(share)
    places = torch.stack([share, none, centre[0], none, share, centre[1]], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(places, [len(photos_nchw), 3, side, side], align_corners=False)
    return functional.grid_sample(photos_nchw, grid, padding_mode="border", align_corners=False)


def _with_curves(sample: Sample, curves: torch.Tensor) -> Sample:
    """Return the sample with tone curves (3, 256) applied to its patches."""
    changed = [
        apply_curves(patches, curves.to(patches)).mul(255).round().byte().permute(0, 2, 3, 1).cpu()
        for patches in sample.chunks()
    ]
    return Sample(torch.cat(changed), sample.photos, sample.device)
