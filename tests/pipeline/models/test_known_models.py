"""A model gets a name from a folder or an archive, and nothing else comes with it."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from pipeline.errors import CheckpointError, PipelineError
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.models.known_models import find_model, known_models, user_folder
from pipeline.models.model_files import save_model
from pipeline.models.own_models import add_model, remove_model
from wespe.methods import build_generator
from wespe.methods.wespe import WespeConfig
from wespe.networks.resnet import ResNetConfig


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder, on a machine that knows none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WESPE_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr("pipeline.models.known_models.SHIPPED", tmp_path / "shipped")
    torch.manual_seed(0)
    method = WespeConfig(generator=ResNetConfig(width=4, blocks=1))
    facts = {"camera": "phone", "target": "dslr", "step": 9}
    save_model(tmp_path / "downloads/phone", build_generator(method), method, facts)
    return tmp_path / "downloads/phone"


def packed(model: Path, kind: str, names: dict[str, str], method: int = zipfile.ZIP_STORED) -> Path:
    """An archive that holds files of the model under these names: name → file."""
    path = model.parents[1] / f"packed{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, file in names.items():
                archive.write(model / file, name)
    else:
        with tarfile.open(path, "w:gz") as archive_tar:
            for name, file in names.items():
                archive_tar.add(model / file, name)
    return path


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_an_archive_is_added_and_found(kind: str, model: Path) -> None:
    names = {f"somewhere/deep/{file}": file for file in (CONFIG, WEIGHTS)}
    added = add_model(packed(model, kind, names))
    assert (added.name, added.camera, added.target, added.method, added.steps) == (
        "packed", "phone", "dslr", "wespe", 9,
    )  # fmt: skip
    assert added.folder == user_folder() / "packed"
    assert find_model("packed") == added.folder
    assert sorted(path.name for path in added.folder.iterdir()) == [CONFIG, WEIGHTS]


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_names_in_an_archive_are_never_used_as_paths(kind: str, model: Path, tmp_path: Path) -> None:
    """Protects: other files on disk. Only the content of two files is taken from the archive."""
    names = {f"../../../{CONFIG}": CONFIG, f"/{WEIGHTS}": WEIGHTS, "../evil": CONFIG}
    add_model(packed(model, kind, names))
    assert [path.name for path in tmp_path.rglob("*") if path.name == "evil"] == []
    assert {path.parent for path in (tmp_path / "own").rglob("*.*")} == {user_folder() / "packed"}
    assert not list(tmp_path.glob(f"*/{CONFIG}"))


def test_links_in_an_archive_are_not_followed(model: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        archive.add(model / WEIGHTS, WEIGHTS)
        link = tarfile.TarInfo(CONFIG)
        link.type, link.linkname = tarfile.SYMTYPE, str(model / CONFIG)
        archive.addfile(link)
    with pytest.raises(CheckpointError, match=r"links\.tar contains no config\.json"):
        add_model(tmp_path / "links.tar")


def test_invalid_models_are_rejected_and_leave_no_files(model: Path, tmp_path: Path) -> None:
    """Protects: every known model can be loaded; every reason is one line."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    two = {f"a/{CONFIG}": CONFIG, f"b/{CONFIG}": CONFIG, WEIGHTS: WEIGHTS}
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / CONFIG).write_bytes((model / CONFIG).read_bytes())
    (changed / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-4] + b"evil")
    (tmp_path / "text.tar.gz").write_text("no archive")
    whole = packed(model, ".zip", {CONFIG: CONFIG, WEIGHTS: WEIGHTS}, zipfile.ZIP_DEFLATED).read_bytes()
    (tmp_path / "damaged.zip").write_bytes(whole[:60] + b"\xff" * 40 + whole[100:])
    config = json.loads((model / CONFIG).read_bytes())
    null = json.dumps(config | {"method": config["method"] | {"generator": None}})
    configs = {"list": "[]", "deep": "[" * 100_000, "null": null}
    for name, text in configs.items():
        shutil.copytree(model, tmp_path / name)
        (tmp_path / name / CONFIG).write_text(text)
    wrong = {
        **dict.fromkeys((tmp_path / name for name in configs), "is not a model"),
        tmp_path / "text.tar.gz": "is not an archive, or is damaged",
        tmp_path / "damaged.zip": "is not an archive, or is damaged",
        tmp_path / "empty": "is not a model",
        tmp_path / "text.zip": "is not an archive, or is damaged",
        tmp_path / "none.zip": "is not a model",
        packed(model, ".zip", two): "contains 2 config.json",
        changed: "its sha256 differs",
    }
    for source, reason in wrong.items():
        with pytest.raises(CheckpointError, match=reason) as caught:
            add_model(source)
        assert "\n" not in str(caught.value)
    assert known_models() == []
    assert not user_folder().exists() or list(user_folder().iterdir()) == []


def test_a_bomb_is_refused(model: Path, tmp_path: Path) -> None:
    """Protects: memory. A config.json of 2 MB is rejected, whatever its header claims."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONFIG, bytes(2 * 2**20))
        archive.writestr(WEIGHTS, b"")
    with pytest.raises(CheckpointError, match=r"bomb\.zip is refused: its config\.json is larger than 1 MB"):
        add_model(tmp_path / "bomb.zip")


def test_a_model_is_found_by_name_or_path(model: Path, tmp_path: Path) -> None:
    """Protects: nothing is guessed; a wrong name tells the right ones."""
    assert find_model(str(model)) == model
    add_model(model)
    assert find_model("phone") == user_folder() / "phone"
    with pytest.raises(CheckpointError, match="exists already"):
        add_model(model)
    checkout = tmp_path / "models/phone"
    checkout.parent.mkdir()
    model.rename(checkout)
    assert find_model("phone") == Path("models/phone")
    checkout.rename(checkout.with_name("tablet"))
    with pytest.raises(
        CheckpointError,
        match="--model dash: no such model folder or known model; known models: phone, tablet",
    ):
        find_model("dash")
    with pytest.raises(CheckpointError, match=r"did you mean phone\?; known models: phone, tablet"):
        find_model("phones")


def test_models_that_come_with_the_package_give_way(model: Path, tmp_path: Path) -> None:
    """Protects: a user's own model of the same name is used, and can be removed again."""
    shutil.copytree(model, tmp_path / "shipped/phone")
    (tmp_path / "shipped/README.md").write_text("no model")
    assert [(one.name, one.shipped) for one in known_models()] == [("phone", True)]
    with pytest.raises(CheckpointError, match="phone comes with wespe and stays"):
        remove_model("phone")
    add_model(model)
    assert [(one.folder, one.shipped) for one in known_models()] == [(user_folder() / "phone", False)]
    assert remove_model("phone") == user_folder() / "phone"
    assert list(user_folder().iterdir()) == []
    assert [one.shipped for one in known_models()] == [True]
    with pytest.raises(CheckpointError, match=r"no model phon; did you mean phone\?; you have added none"):
        remove_model("phon")


def test_a_trained_model_is_not_removed(model: Path, tmp_path: Path) -> None:
    """Protects: hours of training in ./models."""
    shutil.copytree(model, tmp_path / "models/phone")
    with pytest.raises(CheckpointError, match="phone is in models, where training left it; delete it there"):
        remove_model("phone")
    add_model(model)
    assert known_models()[0].folder == Path("models/phone")
    assert remove_model("phone") == user_folder() / "phone"
    assert (tmp_path / "models/phone" / WEIGHTS).exists()


def test_models_of_newer_versions_are_refused(model: Path) -> None:
    """Protects: a user is told to update, not that the file is damaged."""
    config = json.loads((model / CONFIG).read_bytes())
    (model / CONFIG).write_text(json.dumps(config | {"format": 2}))
    with pytest.raises(CheckpointError, match="format 2 is unknown to this version of wespe; update wespe"):
        add_model(model)
    (model / CONFIG).write_text(json.dumps(config | {"method": {"name": "magic"}}))
    with pytest.raises(CheckpointError, match="method 'magic' is unknown to this version of wespe"):
        add_model(model)
    assert list(user_folder().iterdir()) == []


def test_a_listing_contains_only_printable_text(model: Path, tmp_path: Path) -> None:
    """Protects: an untrusted config.json cannot control the terminal or break the list."""
    for name, text in (
        ("a", '{"camera": "\\u001b[2Jx", "method": 1, "step": "9"}'),
        ("b", "[]"),
        ("c", "rubbish"),
    ):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(text)
        (folder / WEIGHTS).write_bytes(b"x")
    assert [(model.name, model.camera, model.steps) for model in known_models()] == [
        ("a", "[2Jx", 0), ("b", "", 0), ("c", "", 0),
    ]  # fmt: skip


def test_a_login_page_saved_as_an_archive_is_detected(model, tmp_path):
    page = tmp_path / "phone.zip"
    page.write_bytes(b"<!DOCTYPE html><html>please log in")
    with pytest.raises(CheckpointError, match="it is a web page, perhaps a login page"):
        add_model(page)


def test_a_user_without_a_home_has_the_models_of_the_checkout(monkeypatch):
    """Protects: containers that run as an unknown user."""
    for name in ("HOME", "WESPE_MODELS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    known_models()
    with pytest.raises(PipelineError, match="set HOME"):
        user_folder()
