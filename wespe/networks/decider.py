"""A backbone that decides parameters of a photo, from the places where it is surest (§3.2.1, fig. 2b)."""

from dataclasses import replace

import torch
from torch import nn

from wespe.networks.features import ContentConfig, Features

TOP = 3  # K


class Decider(nn.Module):
    """thumbnails (n, 3, side, side), float 0–1 → raw parameters (n, count).

    A 1×1 convolution proposes parameters at each place and how likely they are; those of the TOP most likely
    places are averaged. Parameters begin at 0.
    """

    def __init__(self, backbone: Features, count: int):
        super().__init__()
        self.backbone = backbone
        self.proposals = nn.Conv2d(channels_of(backbone), count + 1, 1)
        nn.init.zeros_(self.proposals.weight[:count].detach())
        nn.init.zeros_(self.proposals.bias.detach())  # type: ignore[union-attr]

    def forward(self, thumbnails: torch.Tensor) -> torch.Tensor:
        [features] = self.backbone(thumbnails)
        return top_average(self.proposals(features))


def top_average(maps: torch.Tensor) -> torch.Tensor:
    """Average proposals (n, count + 1, h, w) over the TOP places of the last map's softmax, by its weights.

    The paper averages them equally, which gives the last map no gradient; weighting by the probability does.
    """
    proposals, likely = maps[:, :-1].flatten(2), maps[:, -1].flatten(1).softmax(1)
    best, places = likely.topk(min(TOP, likely.shape[1]), dim=1)
    chosen = proposals.gather(2, places[:, None].expand(-1, proposals.shape[1], -1))
    return (chosen * (best / best.sum(1, keepdim=True))[:, None]).sum(2)


def channels_of(backbone: Features) -> int:
    """Return the number of channels of a backbone's last layer."""
    with torch.no_grad():
        return backbone(torch.zeros(1, 3, 64, 64))[-1].shape[1]


def backbone_of(config: ContentConfig) -> Features:
    """Build a backbone that learns, without the weights that it begins with."""
    network = Features(replace(config, weights="random", sha256=""))
    return network.requires_grad_(True)
