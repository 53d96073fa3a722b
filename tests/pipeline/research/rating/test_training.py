"""A rater's way from a table to a folder and back, its accuracy with it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import CheckpointError
from pipeline.models.rater_folder import load_rater
from pipeline.patches.splits import Split
from pipeline.photos.images import write_photo
from pipeline.research.rating.training import Rating, load_imagenet, train_rater
from wespe.rater import Rater, RaterConfig, RaterTraining

SMALL = RaterConfig(crop_px=32, long_side_px=64, width=4, hidden=16)
QUICK = RaterTraining(learning_rate=3e-3, batch_size=8, patience=3, max_epochs=6)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty photos, of which the bright ones are liked."""
    rows = ["photo,faves,views"]
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 128, (40, 48, 3)) + number % 2 * 127
        write_photo(tmp_path / f"{number}.png", pixels.astype(np.uint8))
        rows.append(f"{number}.png,{1 + number % 2 * 50 + number},1000")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    return tmp_path / "photos.csv"


def rating(**settings) -> Rating:
    split = Split(validation=0.2, test=0.3)
    return Rating(**({"weights": "random", "split": split, "rater": SMALL, "training": QUICK} | settings))


@pytest.fixture(scope="module")
def vgg19() -> dict[str, torch.Tensor]:
    """A small hidden layer: 80 MB in place of 550."""
    torch.manual_seed(1)
    return Rater(RaterConfig(hidden=8)).state_dict()


def test_a_rater_is_trained_saved_and_loaded_with_its_accuracy(table, tmp_path):
    trained = train_rater(table, rating(), tmp_path / "rater")
    accuracy = trained.accuracy
    assert accuracy.value > 0.9
    assert accuracy.low < accuracy.value <= accuracy.high
    assert accuracy.photos == trained.config["photos"]["test"]
    assert 0.5 <= accuracy.one_answer < 0.8
    again = load_rater(tmp_path / "rater")
    assert again.accuracy == accuracy
    crops = torch.full((5, 32, 32, 3), 200, dtype=torch.uint8)
    assert again.rater.rate(crops) == trained.rater.rate(crops) > 0.5
    assert "the paper's rater: 68.75 %" in accuracy.in_words


def test_config_records_the_origin_without_local_paths(table, tmp_path):
    config = train_rater(table, rating(), tmp_path / "rater").config
    assert config["photos"] | {"train": 0, "validation": 0, "test": 0} == {
        **{"used": 40, "rarely_viewed": 0, "unreadable": 0, "copies": 0},
        **{"train": 0, "validation": 0, "test": 0},
    }
    assert [record["epoch"] for record in config["epochs"]] == list(range(1, len(config["epochs"]) + 1))
    assert config["training"]["learning_rate"] == 3e-3
    assert str(tmp_path) not in json.dumps(config)


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    digests = {train_rater(table, rating(), tmp_path / name).config["weights_sha256"] for name in "ab"}
    assert len(digests) == 1


def test_imagenet_weights_start_all_layers_that_the_file_has(vgg19, tmp_path):
    """Protects: both kinds of file, of the whole network or its features only; the last layer stays new."""
    torch.save(vgg19, tmp_path / "whole.pth")
    save_file({k: v for k, v in vgg19.items() if k.startswith("features")}, tmp_path / "cut.safetensors")
    for name, taken in (("whole.pth", "classifier.3"), ("cut.safetensors", "features.34")):
        torch.manual_seed(2)
        rater = Rater(RaterConfig(hidden=8))
        new = {name: value.clone() for name, value in rater.state_dict().items()}
        load_imagenet(rater, tmp_path / name)
        ours = rater.state_dict()
        assert torch.equal(ours[f"{taken}.weight"], vgg19[f"{taken}.weight"])
        assert torch.equal(ours["features.0.weight"], vgg19["features.0.weight"])
        assert torch.equal(ours["classifier.6.weight"], new["classifier.6.weight"])
    assert torch.equal(ours["classifier.0.weight"], new["classifier.0.weight"])


class Evil:
    def __reduce__(self):
        return (Path("/tmp/never").touch, ())


def test_files_without_weights_are_rejected_and_run_no_code(vgg19, tmp_path):
    rater = Rater(RaterConfig(width=1, hidden=1))
    torch.save({"evil": Evil()}, tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "rubbish.pth").write_bytes(b"rubbish")
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    save_file({"features.0.weight": vgg19["features.0.weight"]}, tmp_path / "part.safetensors")
    for name, message in (
        ("evil.pth", "is damaged, or contains more than weights"),
        ("list.pth", "contains no named tensors"),
        ("rubbish.pth", "is damaged, or contains more"),
        ("rubbish.safetensors", "is damaged, or contains more"),
        ("part.safetensors", r"lacks features\.0\.bias"),
        ("none.pth", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=f"{name}.*{message}.*; give torchvision's vgg19 weights"):
            load_imagenet(rater, tmp_path / name)
    assert not Path("/tmp/never").exists()


def test_an_incomplete_rater_folder_is_rejected(table, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"contains no rater .*; train one with `python -m stages.rate train`"
    ):
        load_rater(tmp_path / "none")
    train_rater(table, rating(), tmp_path / "rater")
    weights = tmp_path / "rater/rater.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(
        CheckpointError, match=r"rater\.safetensors does not match the checksum in config\.json"
    ):
        load_rater(tmp_path / "rater")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "vgg19.pkl"}, "weights must be random, or the path"),
        ({"weights": "vgg19.pth"}, r"rater\.width must be 64"),
        ({"min_views": 0}, "min_views"),
        ({"split": Split(validation=0, test=0.1)}, r"split\.validation and split\.test"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        rating(**settings)
