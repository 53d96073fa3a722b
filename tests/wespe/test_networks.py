"""Sizes, starts and shapes that a change must not move unnoticed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.resnet import ResNet, ResNetConfig
from wespe.networks.srcnn import SRCNN


def test_the_paper_generator_has_401475_parameters() -> None:
    assert sum(p.numel() for p in ResNet(ResNetConfig()).parameters()) == 401_475


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_a_generator_keeps_the_size_of_any_photo(norm: str) -> None:
    generator = ResNet(ResNetConfig(width=4, blocks=1, norm=norm))
    assert generator(torch.rand(1, 3, 31, 57)).shape == (1, 3, 31, 57)


def test_a_residual_generator_starts_as_the_identity() -> None:
    photo = torch.rand(1, 3, 20, 20)
    assert torch.equal(ResNet(ResNetConfig(width=4, output="residual"))(photo), photo)


def test_without_norm_a_pixel_depends_on_18_px_around_it_and_no_more() -> None:
    """What exact tiles rest on: 4 + 8·1 + 2·1 + 4."""
    generator = ResNet(ResNetConfig(width=2, norm="none")).double()
    for parameter in generator.parameters():
        parameter.data.fill_(0.01)  # so that no ReLU cuts a path and no tanh is flat
    photo = torch.rand(1, 3, 61, 61, dtype=torch.double, requires_grad=True)
    generator(photo)[0, :, 30, 30].sum().backward()
    assert photo.grad is not None
    rows = photo.grad[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (30 - 18, 30 + 18)


@pytest.mark.parametrize(("size_px", "side"), [(100, 7), (48, 3), (37, 3)])
def test_a_critic_sees_patches_of_any_size(size_px: int, side: int) -> None:
    critic = Critic(CriticConfig(width=0.25), channels=1, size_px=size_px)
    assert critic(torch.rand(2, 1, size_px, size_px)).shape == (2,)
    assert critic.head[0].in_features == 32 * side * side


def test_spectral_norm_bounds_what_a_layer_can_amplify() -> None:
    torch.manual_seed(0)
    critic = Critic(CriticConfig(width=0.25, norm="none", spectral_norm=True), channels=1, size_px=32)
    for _ in range(50):  # each forward pass in training is one power iteration
        critic(torch.rand(2, 1, 32, 32))
    linear = critic.head[0].weight
    assert torch.linalg.matrix_norm(linear, 2).item() == pytest.approx(1, abs=0.02)
    assert not any(isinstance(module, torch.nn.InstanceNorm2d) for module in critic.modules())


def test_srcnn_has_its_paper_s_size_and_starts_as_the_identity() -> None:
    network, photo = SRCNN(), torch.rand(1, 3, 21, 33)
    assert torch.equal(network(photo), photo)
    assert (
        sum(p.numel() for p in network.parameters()) == 9 * 9 * 3 * 64 + 5 * 5 * 64 * 32 + 5 * 5 * 32 * 3 + 99
    )


# Published weights: TensorFlow's HWIO arrays, and which of our layers takes them.
PUBLISHED = {
    "iphone_orig": (ResNetConfig(), 21.8),
    "pirm_dped_resnet_8_32": (ResNetConfig(width=32, blocks=2), 22.1),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_of_dped_run_in_our_generator_and_score_as_they_should(
    name: str, shared_data: Path
) -> None:
    """The architecture is right down to paddings, order of norm and ReLU, and the output's scale."""
    config, psnr_db = PUBLISHED[name]
    generator = ResNet(config)
    load_published(generator, shared_data / f"dped_models/{name}.npz")
    scores = []
    for path in sorted((shared_data / "iphone3gs/pairs/iphone").iterdir()):
        photo, truth = (
            torch.from_numpy(np.asarray(Image.open(p).convert("RGB")).copy()).permute(2, 0, 1)[None] / 255
            for p in (path, shared_data / "iphone3gs/pairs/canon" / path.name)
        )
        with torch.inference_mode():
            error = (generator(photo).clamp(0, 1) - truth).square().mean().item()
        scores.append(-10 * math.log10(error))
    assert np.mean(scores) == pytest.approx(psnr_db, abs=1.0)  # METHOD.md's figures are of 400 pairs


def load_published(generator: ResNet, path: Path) -> None:
    arrays = {k.removeprefix("generator."): torch.from_numpy(v) for k, v in np.load(path).items()}
    convs = [m for m in generator.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in generator.modules() if isinstance(m, torch.nn.InstanceNorm2d)]
    for number, conv in enumerate(convs, 1):
        conv.weight.data = arrays[f"W{number}"].permute(3, 2, 0, 1).contiguous()
        conv.bias.data = arrays[f"b{number}"]
    for number, norm in enumerate(norms):  # shift, then scale, in the order they were made
        first, second = (f"Variable_{2 * number + i}" if 2 * number + i else "Variable" for i in range(2))
        norm.bias.data, norm.weight.data = arrays[first], arrays[second]
