"""Without a name, a photo gets the model for its camera; a line tells which and why."""

import shutil
from pathlib import Path

import pytest
import torch

from pipeline.enhancement.model_choice import GENERIC, choose_models
from pipeline.errors import CheckpointError
from pipeline.models.card import CARD, CameraPattern, Card
from pipeline.models.model_files import save_model
from pipeline.photos.headers import Header
from wespe.methods import build_generator
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNetConfig

IPHONE = Header(pixels=1, make="Apple", model="iPhone X")
UNKNOWN = Header(pixels=1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return `place(where, name, model pattern)`, which puts a model into `own`, `models` or `shipped`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WESPE_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr("pipeline.models.known_models.SHIPPED", tmp_path / "shipped")
    torch.manual_seed(0)
    method = WespeConfig(generator=ResNetConfig(width=4, blocks=1))
    save_model(tmp_path / "made", build_generator(method), method, {"camera": "made"})

    def put(where: str, name: str, pattern: str = "") -> None:
        folder = shutil.copytree(tmp_path / "made", tmp_path / where / name)
        if pattern:
            card = Card(name=name, version="1", cameras=(CameraPattern(make="apple", model=pattern),))
            (folder / CARD).write_bytes(card.json())

    return put


def chosen(header: Header, wanted: str = "") -> str:
    """The name of the model; '' if none is chosen."""
    return Path(choose_models(wanted).router.choose(header)).name


def test_the_card_that_lists_the_camera_wins(place) -> None:
    """Protects: the user's own model first, whatever its name; then the package's; the rest is generic."""
    place("shipped", "a-iphone", "iphone *")
    place("shipped", GENERIC)
    assert (chosen(IPHONE), chosen(UNKNOWN)) == ("a-iphone", GENERIC)
    place("own", "my-iphone", "IPHONE X")
    assert chosen(IPHONE) == "my-iphone"
    assert chosen(Header(pixels=1, make="APPLE", model="iPhone 3GS")) == "a-iphone"
    assert chosen(IPHONE, "a-iphone") == "a-iphone"


def test_a_card_for_every_camera_is_for_none(place) -> None:
    """Protects: a model from elsewhere cannot put itself before the one that is made for the camera."""
    place("shipped", "iphone", "iphone *")
    place("own", "greedy", "**")
    card = Card(name="greedy", version="1", cameras=(CameraPattern(make="?*"), CameraPattern()))
    Path("own/greedy", CARD).write_bytes(card.json())
    assert (chosen(IPHONE), chosen(UNKNOWN)) == ("iphone", "greedy")


def test_the_only_model_that_the_user_added_comes_before_the_generic_one(place) -> None:
    place("shipped", GENERIC)
    place("own", "mine")
    assert (chosen(IPHONE), chosen(UNKNOWN)) == ("mine", "mine")
    place("models", "second")
    assert chosen(UNKNOWN) == GENERIC


def test_a_single_model_of_the_package_is_used(place) -> None:
    """Protects: a package with one model; the user learns of it, since it was not added."""
    place("shipped", "dash-cam", "dash*")
    choice = choose_models()
    assert chosen(IPHONE) == "dash-cam"
    assert "dash-cam for 1 photo: the only one on this machine" in choice.lines([choice.router.fixed])[0]


def test_a_line_tells_each_choice_and_how_to_make_another(place) -> None:
    place("shipped", "iphone", "iphone *")
    place("shipped", GENERIC)
    choice = choose_models()
    folders = [choice.router.choose(header) for header in (IPHONE, UNKNOWN, IPHONE)]
    assert choice.lines(folders) == [
        "model iphone for 2 photos: made for apple iphone *; choose another with --model, see `wespe models`",
        f"model {GENERIC} for 1 photo: no other is made for the camera; choose another with --model, see "
        "`wespe models`",
    ]
    assert choose_models("iphone").lines([choose_models("iphone").router.fixed]) == []


def test_without_shipped_models_nothing_is_guessed(place) -> None:
    """Protects: a single model needs no name; with several, a name or a camera is required."""
    with pytest.raises(CheckpointError, match="no models on this machine yet; add one"):
        choose_models()
    place("own", "phone")
    assert chosen(UNKNOWN) == "phone"
    assert choose_models().lines([choose_models().router.fixed]) == []
    place("own", "tablet")
    with pytest.raises(CheckpointError, match="several models are known; choose one with --model: ph"):
        choose_models()
    place("own", "iphone", "iphone*")
    choice = choose_models()
    assert choice.router.choose(UNKNOWN) == ""
    assert choice.unmatched == (
        "no model is made for its camera; choose one with --model: iphone, phone, tablet"
    )


@pytest.mark.parametrize("text", ["[]", "{", '{"name": "x"}', '{"name": "x", "version": "1", "cameras": 1}'])
def test_an_invalid_card_counts_as_none(place, text: str, tmp_path: Path) -> None:
    """Protects: one damaged file must not stop all other models."""
    place("own", "phone", "iphone*")
    place("own", "tablet", "ipad*")
    (tmp_path / "own/phone" / CARD).write_text(text)
    assert chosen(IPHONE) == ""
    assert chosen(Header(pixels=1, make="Apple", model="iPad")) == "tablet"
