"""Content features: torchvision's own numbers, from files or seeds, and never a change of them."""

import dataclasses
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from wespe.networks.features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LAYERS,
    RESNETS,
    ContentConfig,
    Features,
    read_weights,
)

LAYERS_AND_INDICES = {
    "vgg19": {"relu2_2": 8, "relu1_1": 1, "relu3_1": 11},  # not in the network's order, on purpose
    "mobilenet_v2": {"features_0": 0, "features_4": 4, "features_3": 3},
    "squeezenet1_1": {"features_0": 0, "features_3": 3},  # a ReLU in place follows features_0
    "resnet18": {"layer2": 5, "layer1": 4},
}
# The last of relu1_2's weights with seed 3, by the first version of this code: another order moves them.
LAST_RANDOM = [-0.03583, -0.014313, 0.004753]


def config_of(backbone: str, **settings) -> ContentConfig:
    layers = dict.fromkeys(LAYERS_AND_INDICES.get(backbone, LAYERS[backbone]), 1.0)
    return ContentConfig(backbone=backbone, **{"layers": layers, "weights": "random", **settings})


def normalised(photos: torch.Tensor) -> torch.Tensor:
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return (photos - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


@pytest.fixture(params=LAYERS_AND_INDICES)
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


def test_features_are_torchvisions_layer_by_layer(backbone: str) -> None:
    """Protects: also that no layer in place overwrites what is compared, or the photos."""
    features = Features(config_of(backbone))
    theirs = untouched_layers(backbone)
    theirs = theirs[: max(LAYERS_AND_INDICES[backbone].values()) + 1].to_empty(device="cpu").eval()
    theirs.load_state_dict(features.features.state_dict())
    photos = torch.rand(2, 3, 48, 40)
    before = photos.clone()
    expected = [theirs[: index + 1](normalised(photos)) for index in LAYERS_AND_INDICES[backbone].values()]
    for ours, wanted in zip(features(photos), expected, strict=True):
        torch.testing.assert_close(ours, wanted)
    assert torch.equal(photos, before)


def untouched_layers(backbone: str) -> nn.Sequential:
    """Return torchvision's own, on the meta device: without the time that VGG's classifier takes."""
    with torch.device("meta"):
        network = getattr(models, backbone)(weights=None)
    if hasattr(network, "features"):
        return network.features
    return nn.Sequential(OrderedDict(list(network.named_children())[:-2]))  # without pooling and classifier


def torchvisions_layers(backbone: str) -> nn.Sequential:
    """Return its own layers, with weights and statistics that are all different from the initial ones."""
    layers = untouched_layers(backbone).to_empty(device="cpu").eval()
    random = torch.Generator().manual_seed(1)
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=random)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1, generator=random)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_batches_tracked.zero_()
            for moved in (layer.running_mean, layer.bias):
                nn.init.normal_(moved, std=0.3, generator=random)
            for scaled in (layer.running_var, layer.weight):
                nn.init.uniform_(scaled, 0.5, 2, generator=random)
    return layers


@torch.no_grad()
def test_every_layer_has_the_values_of_torchvisions_own_forward(backbone: str) -> None:
    """Protects content losses of all backbones: no layer is off by one, overwritten in place, or normalised
    with other statistics."""
    theirs, seen = torchvisions_layers(backbone), {}
    for index, layer in enumerate(theirs):
        layer.register_forward_hook(
            lambda module, given, output, index=index: seen.update({index: output.clone()})
        )
    layers = LAYERS[backbone]
    features = Features(config_of(backbone, layers=dict.fromkeys(layers, 1.0)))
    features.features.load_state_dict(theirs.state_dict())
    photos = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    theirs(normalised(photos))
    for (name, index), ours in zip(layers.items(), features(photos), strict=True):
        wanted = seen[index]
        assert wanted.std() > 1e-3, name
        torch.testing.assert_close(ours, wanted, msg=lambda text, name=name: f"{name}: {text}")


def test_every_layer_name_stands_for_its_index_in_torchvision() -> None:
    with torch.device("meta"):
        vgg = models.vgg19(weights=None).features
        counts = {name: len(untouched_layers(name)) for name in LAYERS}
    assert list(LAYERS["vgg19"].values()) == [i for i, layer in enumerate(vgg) if isinstance(layer, nn.ReLU)]
    pools = [i for i, layer in enumerate(vgg) if isinstance(layer, nn.MaxPool2d)]
    for name, index in LAYERS["vgg19"].items():  # a stage ends where its pooling stands
        assert sum(pool < index for pool in pools) + 1 == int(name[4])
    for name in ("mobilenet_v2", "squeezenet1_1"):
        assert LAYERS[name] == {f"features_{index}": index for index in range(counts[name])}
    for name in RESNETS:
        names = list(dict(untouched_layers(name).named_children()))
        assert LAYERS[name] == {layer: names.index(layer) for layer in names if layer.startswith("layer")}


def test_the_network_ends_with_the_last_layer_needed(backbone: str) -> None:
    features = Features(config_of(backbone))
    assert len(features.features) == max(LAYERS_AND_INDICES[backbone].values()) + 1
    first = "conv1" if backbone in RESNETS else "0"
    assert next(iter(features.state_dict())).startswith(f"features.{first}.")


def test_gradients_reach_the_photo_and_no_weight(backbone: str) -> None:
    """Protects: gradients of the content loss, despite layers that work in place."""
    features = Features(config_of(backbone))
    photos = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(layer.square().mean() for layer in features(photos)).backward()
    assert photos.grad is not None
    assert photos.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_batch_norm_never_moves_whatever_the_parent_does() -> None:
    features = Features(config_of("mobilenet_v2"))
    parent = nn.ModuleDict({"content": features}).train()
    before = {name: value.clone() for name, value in features.state_dict().items()}
    photos = torch.rand(4, 3, 32, 32)
    together = parent["content"](photos)[0]
    torch.testing.assert_close(together[:1], features(photos[:1])[0])  # a photo's features are its own
    assert all(torch.equal(value, before[name]) for name, value in features.state_dict().items())
    assert not any(module.training for module in features.modules())


def test_random_weights_follow_from_their_seed_alone(backbone: str) -> None:
    """Protects: bit-exact runs, and the global random state used to initialise generators."""
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = Features(config_of(backbone, seed=3)).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    again, other = (Features(config_of(backbone, seed=seed)).state_dict() for seed in (3, 4))
    assert all(torch.equal(value, first[name]) for name, value in again.items())
    assert not torch.equal(next(iter(other.values())), next(iter(first.values())))


def test_random_vgg_keeps_the_numbers_it_always_had() -> None:
    """Protects: models that were trained before, and can be trained again."""
    features = Features(ContentConfig(layers={"relu1_2": 1.0}, weights="random", seed=3))
    last = features.state_dict()["features.2.weight"].flatten()[-3:]
    torch.testing.assert_close(last, torch.tensor(LAST_RANDOM), atol=1e-5, rtol=0)


def test_missing_weights_are_reported() -> None:
    for missing in (None, {}):
        with pytest.raises(ValueError, match=r"python -m stages\.features CAMERA.*read_weights"):
            Features(ContentConfig(), missing)


@pytest.mark.parametrize("prefix", ["features.", ""])
def test_a_file_is_read_with_and_without_the_prefix_in_float32(backbone: str, prefix: str, tmp_path) -> None:
    """Protects: files of fp16, and of more layers than needed; whole numbers stay whole."""
    stored = Features(config_of(backbone)).state_dict()
    halved = {
        name.replace("features.", prefix): value.half() if value.is_floating_point() else value
        for name, value in stored.items()
    }
    halved |= {f"{prefix}99.weight": torch.zeros(2), "classifier.1.bias": torch.zeros(3)}
    path = tmp_path / "weights.safetensors"
    save_file(halved, path)
    config = config_of(backbone, weights=str(path))
    weights = read_weights(path, config)
    assert weights.keys() == stored.keys()
    assert {name: value.dtype for name, value in weights.items()} == {k: v.dtype for k, v in stored.items()}
    loaded = Features(config, weights).state_dict()
    for name, value in loaded.items():
        assert torch.equal(value, stored[name].half().float() if value.is_floating_point() else stored[name])


def test_random_features_need_no_file(tmp_path) -> None:
    """Protects: one way to read weights, whatever the settings."""
    assert read_weights(tmp_path / "empty.safetensors", config_of("vgg19")) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.2.weight": None}, r"w\.safetensors lacks features\.2\.weight, which vgg19 up to relu1_2"),
        ({"features.0.weight": torch.zeros(64, 3, 5, 5)}, r"w\.safetensors: features\.0\.weight has shape"),
    ],
)
def test_what_a_file_lacks_is_named(change, message, tmp_path) -> None:
    stored = Features(ContentConfig(layers={"relu1_2": 1.0}, weights="random")).state_dict() | change
    path = tmp_path / "w.safetensors"
    save_file({name: value for name, value in stored.items() if value is not None}, path)
    with pytest.raises(ValueError, match=message):
        read_weights(path, ContentConfig(layers={"relu1_2": 1.0}))


@pytest.mark.parametrize("content", [b"rubbish", None])
def test_a_file_that_is_no_safetensors_is_named(content, tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    if content:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.safetensors cannot be read as safetensors: ."):
        read_weights(path, ContentConfig())


def test_real_imagenet_weights_see_more_than_noise(shared_data) -> None:
    """Protects: names and shapes as torchvision really has them, in fp32 and fp16 files."""
    for name, backbone, layer, shape in [
        ("vgg19_to_relu3_1", "vgg19", "relu3_1", (1, 256, 16, 16)),
        ("squeezenet1_1_fp16", "squeezenet1_1", "features_12", (1, 512, 3, 3)),
    ]:
        path = shared_data / f"weights/{name}.safetensors"
        config = ContentConfig(backbone=backbone, layers={layer: 1.0}, weights=str(path))
        weights = read_weights(path, config)
        stored = load_file(path)
        assert all(value.dtype == torch.float32 for value in weights.values())
        assert all(torch.equal(value, stored[name].float()) for name, value in weights.items())
        [seen] = Features(config, weights)(torch.rand(1, 3, 64, 64))
        assert seen.shape == shape


@pytest.mark.parametrize("name", LAYERS)
def test_settings_survive_config_json(name: str) -> None:
    config = config_of(name, weights="https://host/w.safetensors", sha256="0" * 64)
    assert ContentConfig(**dataclasses.asdict(config)) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "vgg16"}, "backbone must be one of vgg19, "),
        ({"backbone": "mobilenet_v2"}, r"mobilenet_v2 has no 'relu5_4'; .* try \{features_18: 1\}"),
        ({"layers": {"relu5_5": 1.0}}, "vgg19 has no 'relu5_5'; it has relu1_1 … relu5_4"),
        ({"layers": {}}, "at least one layer"),
        ({"layers": {"relu1_1": 0.0}}, r"layers\.relu1_1 must be above 0"),
        ({"layers": {"relu1_1": float("nan")}}, r"layers\.relu1_1 must be above 0"),
        ({"weights": "imagnet"}, "imagenet, random, or the path"),
        ({"weights": "vgg.pth"}, "imagenet, random, or the path"),
        ({"weights": "ftp://host/w.safetensors"}, "imagenet, random, or the path"),
        ({"weights": "https://host/w.safetensors"}, "sha256 is required for a URL"),
        ({"weights": "w.safetensors", "sha256": "abc"}, "64 hex digits"),
        ({"weights": "random", "sha256": "0" * 64}, "weights is random"),
        ({"weights": "random", "seed": -1}, "seed must be at least 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        ContentConfig(**settings)


def test_mistakes_in_a_url_never_show_its_secrets() -> None:
    for weights in (
        "https://anna:s3cret@host/w.safetensors",
        "https://host/w.pth?token=s3cret",
        "https://host/w.safetensors?token=s3cret",
    ):
        with pytest.raises(ValueError, match=r"weights|sha256") as caught:
            ContentConfig(weights=weights, sha256="" if "token" in weights else "0" * 64)
        assert "s3cret" not in str(caught.value)
