"""Sizes, starts and shapes that a change must not move unnoticed."""

import pytest
import torch
from safetensors.torch import save_file

from wespe.networks.critic import Critic, CriticConfig
from wespe.networks.generator import Generator, GeneratorConfig
from wespe.networks.vgg import ContentConfig, VGGFeatures


def test_the_paper_generator_has_401475_parameters() -> None:
    assert sum(p.numel() for p in Generator(GeneratorConfig()).parameters()) == 401_475


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_a_generator_keeps_the_size_of_any_photo(norm: str) -> None:
    generator = Generator(GeneratorConfig(width=4, blocks=1, norm=norm))
    assert generator(torch.rand(1, 3, 31, 57)).shape == (1, 3, 31, 57)


def test_a_residual_generator_starts_as_the_identity() -> None:
    photo = torch.rand(1, 3, 20, 20)
    assert torch.equal(Generator(GeneratorConfig(width=4, output="residual"))(photo), photo)


def test_without_norm_a_pixel_depends_on_18_px_around_it_and_no_more() -> None:
    """What exact tiles rest on: 4 + 8·1 + 2·1 + 4."""
    generator = Generator(GeneratorConfig(width=2, norm="none")).double()
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


def test_vgg_is_torchvisions_layer_by_layer() -> None:
    from torchvision.models import vgg19

    torch.manual_seed(0)
    theirs = vgg19(weights=None).features[:9]  # relu2_2
    ours = VGGFeatures(ContentConfig(layer="relu2_2", weights="random"))
    ours.features.load_state_dict(theirs.state_dict())
    photo = torch.rand(1, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = theirs((photo - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
    torch.testing.assert_close(ours(photo), expected)


def test_random_features_follow_from_their_seed_alone() -> None:
    config = ContentConfig(layer="relu1_2", weights="random", seed=3)
    torch.manual_seed(0)
    first = VGGFeatures(config).state_dict()
    torch.manual_seed(1)
    assert all(torch.equal(v, first[k]) for k, v in VGGFeatures(config).state_dict().items())


def test_features_load_from_a_file_of_torchvisions_names(tmp_path) -> None:
    random = VGGFeatures(ContentConfig(layer="relu1_2", weights="random", seed=5)).state_dict()
    save_file(random, tmp_path / "vgg.safetensors")
    loaded = VGGFeatures(ContentConfig(layer="relu1_2", weights=str(tmp_path / "vgg.safetensors")))
    assert all(torch.equal(v, random[k]) for k, v in loaded.state_dict().items())


def test_real_imagenet_weights_load(shared_data) -> None:
    path = shared_data / "weights/vgg19_to_relu3_1.safetensors"
    features = VGGFeatures(ContentConfig(layer="relu3_1", weights=str(path)))
    assert features(torch.rand(1, 3, 32, 32)).shape == (1, 256, 8, 8)
