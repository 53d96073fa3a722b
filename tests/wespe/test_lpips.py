"""LPIPS is the authors' arithmetic, as torchmetrics has it, on whatever weights are given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from skimage import data
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import squeezenet1_1

from wespe.metrics import lpips
from wespe.metrics.lpips import Lpips


@pytest.fixture(scope="module")
def reference() -> _LPIPS:
    """torchmetrics' own, with its linear layers and a backbone that is not downloaded."""
    torch.manual_seed(0)
    return _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)


@pytest.fixture(scope="module")
def files(reference, tmp_path_factory) -> tuple[Path, Path]:
    """The reference's weights as the files that a user would give."""
    folder = tmp_path_factory.mktemp("lpips")
    layers = {int(name): layer for part in reference.net.slices for name, layer in part.named_children()}
    backbone = squeezenet1_1(weights=None)
    for number, layer in layers.items():
        backbone.features[number].load_state_dict(layer.state_dict())
    linear = {
        k: v.contiguous()
        for k, v in reference.state_dict().items()
        if k.startswith("lin") and "lins" not in k
    }
    save_file(backbone.state_dict(), folder / "squeezenet.safetensors")
    save_file(linear, folder / "linear.safetensors")
    return folder / "squeezenet.safetensors", folder / "linear.safetensors"


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    photo = data.astronaut()[:200, :230]
    noisy = photo + np.random.default_rng(0).normal(0, 15, photo.shape)
    return noisy.clip(0, 255).astype(np.uint8), photo


def test_it_agrees_with_torchmetrics(reference, files, pair):
    tensors = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in pair)
    with torch.inference_mode():
        expected = reference(*tensors, normalize=True).item()
    assert Lpips(*files)(*pair) == pytest.approx(expected, rel=1e-4)


def test_equal_photos_are_at_no_distance(files, pair):
    assert Lpips(*files)(pair[1], pair[1]) == 0


def test_a_large_photo_is_compared_by_tiles_and_costs_little_accuracy(files, pair, monkeypatch):
    whole = Lpips(*files)(*pair)
    monkeypatch.setattr(lpips, "TILE_PX", 128)
    tiled = Lpips(*files)(*pair)
    assert tiled != whole
    assert tiled == pytest.approx(whole, rel=0.1)


def test_published_weights_tell_a_blur_from_a_colour_cast(shared_data, pair):
    weights = shared_data / "weights"
    judge = Lpips(weights / "squeezenet1_1_fp16.safetensors", weights / "lpips_squeeze_lin.safetensors")
    photo = pair[1]
    brighter = (photo.astype(int) + 15).clip(0, 255).astype(np.uint8)
    assert 0 < judge(brighter, photo) < 0.1 < judge(*pair)


def test_files_that_are_missing_or_of_another_network_are_named(files, tmp_path):
    backbone, linear = files
    with pytest.raises(ValueError, match=r"nowhere.safetensors cannot be read .* no such file"):
        Lpips(backbone, tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match=r"lacks features.0.weight"):
        Lpips(linear, linear)
    broken = load_file(linear)
    broken["lin6.model.1.weight"] = broken["lin6.model.1.weight"][:, :100].contiguous()
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(ValueError, match=r"broken.safetensors: lin6.model.1.weight must have shape \(1, 512"):
        Lpips(backbone, tmp_path / "broken.safetensors")
