"""VGG-19 as a frozen extractor of content features (Simonyan & Zisserman 2015)."""

from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import nn

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RELUS = tuple(f"relu{s}_{c}" for s, (_, convs) in enumerate(STAGES, 1) for c in range(1, convs + 1))


@dataclass(frozen=True, kw_only=True)
class ContentConfig:
    """Where content is compared.

    layer: relu1_1 … relu5_4; the paper's is relu5_4.
    weights: "imagenet" (torchvision's, downloaded once), "random" (He-initialised from `seed`: no
        download, weaker), or the path of a .safetensors file with torchvision's names.
    """

    layer: str = "relu5_4"
    weights: str = "imagenet"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.layer not in RELUS:
            raise ValueError(f"layer must be one of {', '.join(RELUS)}, not {self.layer!r}")
        if self.weights not in ("imagenet", "random") and not self.weights.endswith(".safetensors"):
            raise ValueError(
                f"weights must be imagenet, random or the path of a .safetensors file, not {self.weights!r}"
            )


class VGGFeatures(nn.Module):
    """photos_nchw, float 0–1 → features (n, c, h, w) of one layer. Never learns."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: ContentConfig):
        super().__init__()
        self.features = _layers_up_to(config.layer)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        if config.weights == "random":
            _randomise(self.features, config.seed)
        else:
            self.load_state_dict(_read_weights(config.weights, self.state_dict()))
        self.requires_grad_(False)

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return self.features((photos_nchw - self.mean) / self.std)


def _layers_up_to(last: str) -> nn.Sequential:
    """torchvision's `vgg19().features[:n]`, module names included."""
    layers: list[nn.Module] = []
    before = 3
    for stage, (width, convs) in enumerate(STAGES, 1):
        for conv in range(1, convs + 1):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
            if f"relu{stage}_{conv}" == last:
                return nn.Sequential(*layers)
        layers.append(nn.MaxPool2d(2))
    raise AssertionError(last)


def _randomise(layers: nn.Sequential, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def _read_weights(weights: str, wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if weights == "imagenet":
        from torchvision.models import VGG19_Weights

        stored = VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    else:
        stored = load_file(weights)
    return {name: stored[name].float() for name in wanted}
