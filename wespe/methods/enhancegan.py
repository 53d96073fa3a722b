"""EnhanceGAN: colours decided per photo by a critic of good and poor photos (Deng et al., ACM MM 2018).

The generator decides the parameters of readable operators; it has no pixels of its own. A critic, first
trained to tell the target's photos from the camera's, then judges what the operators made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from wespe.batch import Batch
from wespe.generator import Generator, Place
from wespe.losses import NonNegative, squared_error
from wespe.method import Losses, Method, Networks, Turn
from wespe.networks.decider import Decider, backbone_of, channels_of
from wespe.networks.features import LAYERS, RESNETS, ContentConfig, Features
from wespe.networks.lab_curves import LabCurves
from wespe.networks.photo_filters import GLASS, PhotoFilters
from wespe.networks.thumbnail import thumbnails
from wespe.penalty import between, gradient_norms, two_sided_penalty
from wespe.sample import Sample

CURVES, FILTERS, CROP = 6, len(GLASS), 4
SIDE_PX = 224  # of the photo that the backbone sees
MOST_CHROMA = 0.2  # of alpha and beta
SURE = 3.0  # logit at which a crop begins: nearly the whole photo


@dataclass(frozen=True, kw_only=True)
class LossWeights(NonNegative):
    """Weights of the losses.

    adversarial: the critic's score of enhanced photos (eq. 7).
    features: squared difference of the backbone's features before and after (eq. 8).
    better: squared rise of the score, where a photo came out worse than it was (eq. 9).
    penalty: how far the critic's gradients are from 1, on mixtures of good and enhanced photos.
    """

    adversarial: float = 1.0
    features: float = 1.0
    better: float = 1.0
    penalty: float = 10.0


@dataclass(frozen=True, kw_only=True)
class EnhanceGanConfig:
    """Settings of the method.

    curves, filters, crop: the operators; the paper trains one at a time.
    content: a ResNet and its last layer: what generator and critic begin with, and what compares photos
        before and after. The paper has resnet101.
    least_share: the least share of a photo's width and height that a crop keeps, 0–1.
    judging_steps: steps at the beginning in which only the critic learns, to tell good photos from poor ones.
    critic_steps: optimiser steps of the critic for each of the generator. With one, the generator goes past
        the good photos before the critic notices, and swings.
    """

    name: Literal["enhancegan"] = "enhancegan"
    curves: bool = True
    filters: bool = False
    crop: bool = False
    content: ContentConfig = field(
        default_factory=lambda: ContentConfig(backbone="resnet18", layers={"layer4": 1.0})
    )
    weights: LossWeights = field(default_factory=LossWeights)
    least_share: float = 0.6
    judging_steps: int = 500
    critic_steps: int = 5

    def __post_init__(self) -> None:
        if not (self.curves or self.filters or self.crop):
            raise ValueError("at least one of curves, filters and crop must be true")
        if self.content.backbone not in RESNETS or len(self.content.layers) != 1:
            last = list(LAYERS["resnet18"])[-1]
            raise ValueError(f"content must be one layer of {', '.join(RESNETS)}, such as {{{last}: 1}}")
        if not 0.1 <= self.least_share <= 1:
            raise ValueError(f"least_share must be at least 0.1 and at most 1, not {self.least_share}")
        if self.judging_steps < 0:
            raise ValueError(f"judging_steps must be at least 0, not {self.judging_steps}")
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps must be at least 1, not {self.critic_steps}")


class EnhanceGanDecision(NamedTuple):
    """Parameters of each photo.

    curves: (n, 6), a, b, p, q, alpha, beta. mixture: (n, filters), shares of the filters' changes.
    crop: (n, 4), top, left, height and width as shares of the photo. What is switched off has no columns.
    """

    curves: torch.Tensor
    mixture: torch.Tensor
    crop: torch.Tensor


class Operators(Generator):
    """photos_nchw → photos_nchw, float 0–1: curves and filters as decided. `crop_of` tells where to crop."""

    decides: ClassVar[bool] = True

    def __init__(self, config: EnhanceGanConfig):
        super().__init__()
        self.config = config
        self.counts = [CURVES * config.curves, FILTERS * config.filters, CROP * config.crop]
        self.decider = Decider(backbone_of(config.content), sum(self.counts))
        self.filters = PhotoFilters() if config.filters else None

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> EnhanceGanDecision:
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            return self.decide_thumbnails(thumbnails(strips_nchw, SIDE_PX))

    def decide_thumbnails(self, photos_nchw: torch.Tensor) -> EnhanceGanDecision:
        """Decide from whole photos, reduced to squares."""
        raw = self.decider(photos_nchw)
        first, last = self.counts[0], sum(self.counts[:2])  # ONNX cannot split off nothing
        curves, mixture, crop = raw[:, :first], raw[:, first:last], raw[:, last:]
        return EnhanceGanDecision(
            _curves(curves),
            mixture.tanh(),
            _crop(crop, self.config.least_share) if self.config.crop else crop,
        )

    def forward(
        self,
        photos_nchw: torch.Tensor,
        decision: EnhanceGanDecision | None = None,
        place: Place | None = None,
    ) -> torch.Tensor:
        decision = decision or self.decide([photos_nchw])
        with torch.autocast(photos_nchw.device.type, enabled=False):
            if self.config.curves:
                photos_nchw = LabCurves(*decision.curves.unbind(1)).apply(photos_nchw)
            if self.filters is not None:
                changes = self.filters(photos_nchw)
                photos_nchw = photos_nchw + torch.einsum("nf,nfchw->nchw", decision.mixture, changes)
            return photos_nchw.clamp(0, 1)

    def explain(self, decision: EnhanceGanDecision, index: int = 0) -> dict[str, Any]:
        named = zip(
            ("curves", "filters", "crop"), decision, (LabCurves._fields, tuple(GLASS), BOX), strict=True
        )
        return {
            name: {field: round(value.item(), 4) for field, value in zip(fields, values[index], strict=True)}
            for name, values, fields in named
            if values.shape[1]
        }

    def crop_of(self, decision: EnhanceGanDecision, index: int = 0) -> tuple[float, ...]:
        return tuple(decision.crop[index].tolist())


BOX = ("top", "left", "height", "width")


def _curves(raw: torch.Tensor) -> torch.Tensor:
    """Bring raw parameters into their ranges; those of 0 are nearly the identity, and none is stuck there."""
    if not raw.shape[1]:
        return raw
    a, b, p, q, alpha, beta = raw.unbind(1)
    a = 0.05 + 0.45 * a.sigmoid()
    return torch.stack(
        [
            a,
            0.8 * a * (b - 3).sigmoid(),
            1 + functional.softplus(p - 3),
            1 - 0.9 * (q - 3).sigmoid(),
            MOST_CHROMA * alpha.tanh(),
            MOST_CHROMA * beta.tanh(),
        ],
        dim=1,
    )


def _crop(raw: torch.Tensor, least_share: float) -> torch.Tensor:
    sizes = least_share + (1 - least_share) * (raw[:, 2:] + SURE).sigmoid()
    return torch.cat([(1 - sizes) * (1 + raw[:, :2].tanh()) / 2, sizes], dim=1)


def cropped(photos_nchw: torch.Tensor, crop: torch.Tensor) -> torch.Tensor:
    """Sample boxes (n, 4) of the photos, enlarged to the photos' size; differentiable (§3.2.3)."""
    top, left, height, width = crop.unbind(1)
    none = torch.zeros_like(top)
    affine = torch.stack([width, none, 2 * left + width - 1, none, height, 2 * top + height - 1], dim=1).view(
        -1, 2, 3
    )
    grid = functional.affine_grid(affine, list(photos_nchw.shape), align_corners=False)
    return functional.grid_sample(photos_nchw, grid, padding_mode="border", align_corners=False)


class AestheticCritic(nn.Module):
    """photos_nchw → scores (n,), lower for better photos, and logits (n, 2) of poor and good (§3.3)."""

    def __init__(self, config: ContentConfig):
        super().__init__()
        self.backbone = backbone_of(config)
        self.judge = nn.Linear(channels_of(self.backbone), 2, bias=False)
        self.aggregate = nn.Linear(2, 1, bias=False)  # scores are only compared

    def forward(self, photos_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        [features] = self.backbone(photos_nchw)
        logits = self.judge(features.mean((2, 3))).float()
        return self.aggregate(logits).flatten(), logits


class Renderer(nn.Module):
    """Enhances reduced whole photos, and crops them if the generator decides crops."""

    def __init__(self, config: EnhanceGanConfig):
        super().__init__()
        self.enhance = Operators(config)

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        decision = self.enhance.decide_thumbnails(photos_nchw)
        enhanced = self.enhance(photos_nchw, decision)
        return cropped(enhanced, decision.crop) if decision.crop.shape[1] else enhanced


class Scene(NamedTuple):
    batch: Batch
    enhanced: torch.Tensor


class EnhanceGan(Method):
    """Trains a generator of operators against a Wasserstein critic of aesthetics; no pairs are needed."""

    whole_photos: ClassVar[bool] = True

    def __init__(
        self, config: EnhanceGanConfig, *, size_px: int, features: Mapping[str, torch.Tensor] | None = None
    ):
        super().__init__()
        self.config = config
        generator, critic = Renderer(config), AestheticCritic(config.content)
        self.networks = nn.ModuleDict({"generator": generator, "critic": critic})
        self.features = Features(config.content, features)
        for backbone in (generator.enhance.decider.backbone, critic.backbone):
            backbone.load_state_dict(self.features.state_dict())
        self.first_patches = int(config.filters)
        judging = {"judging": 1.0} if config.judging_steps else {}
        self.turns = (
            Turn("generator", self.generator_losses, vars(config.weights)),
            Turn(
                "critic",
                self.critic_losses,
                judging | {"critic": 1.0, "penalty": config.weights.penalty},
                repeats=config.critic_steps,
            ),
        )

    @property
    def generator(self) -> Operators:
        return self.networks["generator"].enhance  # type: ignore[return-value]

    def prepare(self, source: Sample, target: Sample) -> str:
        """Fit the filters' networks to their formula; they do not depend on the photos."""
        assert self.generator.filters is not None
        self.generator.filters.fit()
        return ""

    def render(self, networks: Networks, batch: Batch) -> Scene:
        return Scene(batch, networks["generator"](batch.source))

    def judging(self, step: int) -> bool:
        """Tell whether only the critic learns, to tell good photos from poor ones."""
        return step < self.config.judging_steps

    def generator_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute eqs. 7 to 9; nothing is learned from them while the critic is judging."""
        batch, enhanced = scene
        after, _ = networks["critic"](enhanced)
        with torch.no_grad():
            before, _ = networks["critic"](batch.source)
            [content] = self.features(batch.source)
        learns = 0.0 if self.judging(batch.step) else 1.0
        [reconstructed] = self.features(enhanced)
        return {
            "adversarial": learns * after.mean(),
            "features": learns * squared_error(reconstructed, content),
            "better": learns * functional.relu(after - before).square().mean(),
        }

    def critic_losses(self, networks: Networks, scene: Scene) -> Losses:
        """Compute the cross-entropy of good and poor photos while judging, then eq. 10 and its penalty."""
        batch, enhanced = scene
        if self.judging(batch.step):
            _, logits = networks["critic"](torch.cat([batch.source, batch.target]))
            good = torch.arange(len(logits), device=logits.device) >= len(batch.source)
            return {"judging": functional.cross_entropy(logits, good.long())}
        mixed = between(batch.target, enhanced.detach(), batch.random)
        scores, _ = networks["critic"](torch.cat([batch.target, enhanced.detach(), mixed]))
        good, poor, middle = scores.split([len(batch.target), len(enhanced), len(mixed)])
        penalty = two_sided_penalty(gradient_norms(middle, mixed))
        return {"critic": good.mean() - poor.mean(), "penalty": penalty}
