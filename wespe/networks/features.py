"""Features of ImageNet networks: VGG-19, MobileNetV2, SqueezeNet 1.1 or ResNets."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _vgg19_relus() -> Iterator[tuple[str, int]]:
    index = 0
    for stage, convs in enumerate((2, 2, 4, 4, 4), 1):
        for conv in range(1, convs + 1):
            yield f"relu{stage}_{conv}", index + 1
            index += 2
        index += 1  # the pooling after each stage


RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")

# Layer name → index in torchvision's `.features`, or in RESNET_LAYERS. Names have no dots, which
# `dvc exp run -S` would split at.
LAYERS: dict[str, dict[str, int]] = {
    "vgg19": dict(_vgg19_relus()),
    "mobilenet_v2": {f"features_{index}": index for index in range(19)},
    "squeezenet1_1": {f"features_{index}": index for index in range(13)},
    **{name: {f"layer{number}": number + 3 for number in range(1, 5)} for name in RESNETS},
}
# Without the average pooling and the classification after them.
RESNET_LAYERS = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True, kw_only=True)
class ContentConfig:
    """The network and layers of the content loss.

    layers: name → weight in the content loss. vgg19 has relu1_1 … relu5_4; the paper uses relu5_4. In the
        others, features_N is torchvision's `.features[N]`, N up to 18 (mobilenet_v2) or 12 (squeezenet1_1),
        and a ResNet has layer1 … layer4.
    weights: "imagenet" (torchvision's), "random" (He-initialised from `seed`; no download, but weaker), or
        the path or http(s) URL of a .safetensors file with torchvision's tensor names.
    sha256: 64 hex digits of that file; required for a URL. Passwords belong in ~/.netrc.
    """

    backbone: Literal[
        "vgg19", "mobilenet_v2", "squeezenet1_1", "resnet18", "resnet34", "resnet50", "resnet101"
    ] = "vgg19"
    layers: dict[str, float] = field(default_factory=lambda: {"relu5_4": 1.0})
    weights: str = "imagenet"
    sha256: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.backbone not in LAYERS:
            raise ValueError(f"backbone must be one of {', '.join(LAYERS)}, not {self.backbone!r}")
        self._check_layers()
        self._check_weights()
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed}")

    @property
    def from_url(self) -> bool:
        return urlsplit(self.weights).scheme in ("http", "https")

    @property
    def from_file(self) -> bool:
        return not self.from_url and self.weights not in ("imagenet", "random")

    @property
    def last_layer(self) -> str:
        """The deepest of `layers`, after which the network is cut."""
        return max(self.layers, key=LAYERS[self.backbone].__getitem__)

    def _check_layers(self) -> None:
        first, *_, last = known = list(LAYERS[self.backbone])
        if not self.layers:
            raise ValueError(f"layers must name at least one layer and its weight, such as {{{last}: 1}}")
        for name, weight in self.layers.items():
            if name not in known:
                raise ValueError(
                    f"layers: {self.backbone} has no {name!r}; it has {first} … {last}, try {{{last}: 1}}"
                )
            if not 0 < weight < float("inf"):
                raise ValueError(f"layers.{name} must be above 0 and finite, not {weight}")

    def _check_weights(self) -> None:  # the messages omit the address, which may contain a secret
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 must be 64 hex digits in lower case")
        if self.weights in ("imagenet", "random"):
            if self.sha256:
                raise ValueError(f"remove sha256: it is for a file or URL, but weights is {self.weights}")
            return
        address = urlsplit(self.weights)
        strange = "://" in self.weights and not self.from_url
        if strange or not (address.path if self.from_url else self.weights).endswith(".safetensors"):
            raise ValueError(
                "weights must be imagenet, random, or the path or http(s) URL of a .safetensors file"
            )
        if self.from_url and (not address.hostname or "@" in address.netloc):
            raise ValueError(
                "weights: a URL must have a host, and no user or password, which belong in ~/.netrc"
            )
        if self.from_url and not self.sha256:
            raise ValueError("sha256 is required for a URL: the 64 hex digits that `sha256sum` prints")


class Features(nn.Module):
    """photos_nchw, float 0–1 → features (n, c, h, w) of each layer, in the order of `config.layers`.

    Frozen. weights: from `read_weights`; not needed for random weights. Raises: ValueError if missing.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: ContentConfig, weights: Mapping[str, torch.Tensor] | None = None):
        super().__init__()
        self.indices = [LAYERS[config.backbone][name] for name in config.layers]
        self.features = _cut(config).to_empty(device="cpu")
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        if config.weights == "random":
            _randomise(self.features, config.seed)
        elif not weights:
            raise ValueError(
                f"the weights of {config.backbone} are missing: `python -m stages.features CAMERA` downloads"
                " them into a file; pass what read_weights reads from it"
            )
        else:
            self.load_state_dict(weights)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Features":
        """Stay in eval mode, so that batch norm keeps ImageNet's statistics."""
        return super().train(False)

    def forward(self, photos_nchw: torch.Tensor) -> list[torch.Tensor]:
        features = (photos_nchw - self.mean) / self.std
        seen = {}
        for index, layer in enumerate(self.features):
            features = layer(features)
            if index in self.indices:
                seen[index] = features
        return [seen[index] for index in self.indices]


def read_weights(path: Path, config: ContentConfig) -> dict[str, torch.Tensor]:
    """Read the tensors that `Features` needs from a .safetensors file, as float32; {} for random weights.

    Raises: ValueError naming the file, and the tensor that is missing or has the wrong shape.
    """
    if config.weights == "random":
        return {}
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error
        raise ValueError(f"{path} cannot be read as safetensors: {reason}") from None
    return needed_weights(stored, config, str(path))


def needed_weights(
    stored: Mapping[str, torch.Tensor], config: ContentConfig, origin: str
) -> dict[str, torch.Tensor]:
    """Select the tensors that `Features` needs. In `stored`, the prefix `features.` is optional.

    Raises: ValueError naming `origin`.
    """
    needed = {}
    for short, wanted in _cut(config).state_dict().items():
        name = f"features.{short}"
        tensor = stored.get(name, stored.get(short))
        network = f"{config.backbone} up to {config.last_layer}"
        if tensor is None:
            raise ValueError(f"{origin} lacks {name}, which {network} needs; use torchvision's tensor names")
        if tensor.shape != wanted.shape:
            has, needs = tuple(tensor.shape), tuple(wanted.shape)
            raise ValueError(f"{origin}: {name} has shape {has}, but {network} needs {needs}")
        needed[name] = tensor.to(wanted.dtype).contiguous()
    return needed


def _cut(config: ContentConfig) -> nn.Sequential:
    """Return torchvision's layers up to the last one needed, on the meta device."""
    from torchvision import models  # slow to import, and not needed to read a configuration

    with torch.device("meta"):
        network = getattr(models, config.backbone)(weights=None)
    if config.backbone in RESNETS:
        network.features = nn.Sequential(
            OrderedDict((name, getattr(network, name)) for name in RESNET_LAYERS)
        )
    layers = network.features[: LAYERS[config.backbone][config.last_layer] + 1]
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # in place it would overwrite the previous layer's features
    return layers


def _randomise(layers: nn.Sequential, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()  # the identity: mean 0, variance 1
