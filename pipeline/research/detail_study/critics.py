"""Critics on frozen features (projected GAN, Sauer et al. 2021) of texture, without tone or subject."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from wespe.networks.features import ContentConfig, Features, read_weights
from wespe.views import BlurConfig, colour_view, gaussian_kernel

LAYERS = {"relu1_2": 64, "relu2_2": 128, "relu3_1": 256}
LOW_PASS = BlurConfig(sigma_px=6, taps=31)
WIDTH = 64


class FrozenFeatures(nn.Module):
    """photos_nchw, 0–1 → VGG-19's features of LAYERS, in bfloat16 on a GPU."""

    def __init__(self, weights: Path, device: torch.device):
        super().__init__()
        config = ContentConfig(layers=dict.fromkeys(LAYERS, 1.0), weights=str(weights))
        features = Features(config, read_weights(weights, config))
        self.features = features.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, photos_nchw: torch.Tensor) -> list[torch.Tensor]:
        with torch.autocast(photos_nchw.device.type, torch.bfloat16, enabled=photos_nchw.is_cuda):
            return self.features(photos_nchw.contiguous(memory_format=torch.channels_last))


class Critics(nn.Module):
    """A head of 1×1 convolutions per layer: features → logits at each position."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, WIDTH, 1), nn.LeakyReLU(0.2), nn.Conv2d(WIDTH, 1, 1))
            for channels in LAYERS.values()
        )

    def forward(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [head(layer) for head, layer in zip(self.heads, features, strict=True)]


class DetailView(nn.Module):
    """Return the critics' input: high-pass filtered, with random contrast and random rotation."""

    kernel: torch.Tensor

    def __init__(self, device: torch.device):
        super().__init__()
        self.register_buffer("kernel", gaussian_kernel(LOW_PASS).to(device))

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        shape = (len(photos_nchw), 1, 1, 1)
        contrast = torch.empty(shape, device=photos_nchw.device).uniform_(0.8, 1.25)
        return 0.5 + contrast * self.fine(photos_nchw)

    def fine(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        return photos_nchw - colour_view(photos_nchw, self.kernel)


def critic_loss(
    critics: Critics, real: Sequence[torch.Tensor], fake: Sequence[torch.Tensor], penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the relativistic loss with zero-centred penalties on both sides (R3GAN, Huang et al. 2024).

    Also returns the accuracy. Differentiating 1×1 convolutions twice is cheap.
    """
    sides = [[layer.detach().float().requires_grad_() for layer in side] for side in (real, fake)]
    logits = [critics(side) for side in sides]
    losses, right = [], []
    for true, false in zip(*logits, strict=True):
        losses.append(functional.softplus(false - true).mean())
        right.append(((true > false).float().mean()).detach())
    loss = torch.stack(losses).mean()
    for side, judged in zip(sides, logits, strict=True):
        total = torch.stack([logit.sum() for logit in judged]).sum()
        gradients = torch.autograd.grad(total, side, create_graph=True)
        squares = [gradient.square().sum(1).mean() for gradient in gradients]
        loss = loss + 0.5 * penalty * torch.stack(squares).mean()
    return loss, torch.stack(right).mean()


def fooling_loss(
    critics: Critics, real: Sequence[torch.Tensor], fake: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return the generator's loss on its fakes."""
    with torch.no_grad():
        true = critics([layer.float() for layer in real])
    false = critics([layer.float() for layer in fake])
    return torch.stack([functional.softplus(a - b).mean() for a, b in zip(true, false, strict=True)]).mean()
