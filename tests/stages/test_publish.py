"""A trained camera becomes a package with all that params.yaml, the report and the registry know of it."""

import json
import sys
from pathlib import Path

import pytest
import torch

from pipeline.layout import WEIGHTS, CameraPaths
from pipeline.models.card import CARD, CameraPattern, card_of
from pipeline.models.model_files import save_model
from pipeline.models.package import CARD_PAGE, CUBE, PACKAGE_MANIFEST, sha256
from stages import publish
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

INTERVALS = {
    variant: {
        "psnr": {"mean": mean, "low": mean - 1, "high": mean + 1.00001, "n": 10},
        "entropy": {"mean": 6.0, "low": 5.0, "high": 7.0, "n": 10},
    }
    for variant, mean in (("untouched", 20.9), ("enhanced", 25.8), ("change", 4.9))
}


@pytest.fixture
def checkout(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which demo-phone is trained, evaluated and registered as version 3."""
    monkeypatch.chdir(tmp_path)
    route = "routes:\n  - {make: apple, model: iphone 3g*, use: demo-phone}\n  - {use: models:/other/1}\n"
    Path("params.yaml").write_text((repository / "params.yaml").read_text().replace("routes: []\n", route))
    paths = CameraPaths(camera="demo-phone")
    torch.manual_seed(0)
    method = LutResidualConfig()
    save_model(
        paths.model, build_generator(method), method, {"camera": "demo-phone", "target": "demo-photos"}
    )
    paths.report.mkdir(parents=True)
    paths.intervals.write_text(json.dumps(INTERVALS))
    registered = {
        "version": 3,
        "sha256": sha256((paths.model / WEIGHTS).read_bytes()),
        "reason": "passed all",
    }
    paths.registered.write_text(json.dumps(registered))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["publish", *arguments])
    publish.main()


def test_a_cameras_card_is_complete(checkout: Path, monkeypatch, capsys) -> None:
    run(monkeypatch, "demo-phone", "zoo", "--licence", "CC-BY-4.0", "--cube")
    assert capsys.readouterr().out.startswith("publish: zoo/demo-phone/3: published, 6 files, ")
    folder = checkout / "zoo/demo-phone/3"
    card = card_of((folder / CARD).read_bytes(), "card")
    assert (card.preset, card.method, card.licence) == ("demo", "lut_residual", "CC-BY-4.0")
    assert card.verdict == "passed all"
    assert card.cameras == (CameraPattern(make="apple", model="iphone 3g*"),)
    assert card.scores["enhanced"] == {"psnr": {"mean": 25.8, "low": 24.8, "high": 26.8, "n": 10}}
    page = (folder / CARD_PAGE).read_text()
    assert "| PSNR, dB ↑ | 20.90 [19.90, 21.90] | 25.80 [24.80, 26.80] | 4.90 [3.90, 5.90] |" in page
    assert set(json.loads((folder / PACKAGE_MANIFEST).read_bytes())["files"]) >= {CARD, CARD_PAGE, CUBE}
    run(monkeypatch, "demo-phone", "zoo", "--licence", "CC-BY-4.0", "--cube")
    assert "was published before" in capsys.readouterr().out


def test_a_card_file_adds_what_no_program_knows(checkout: Path, monkeypatch) -> None:
    Path("card.json").write_text(
        '{"limits": ["night"], "citation": "doi:1", "licence": "MIT", "cameras": []}'
    )
    run(monkeypatch, "models/demo-phone", "zoo", "--card", "card.json", "--version", "1.2")
    card = card_of(Path("zoo/demo-phone/1.2", CARD).read_bytes(), "card")
    assert (card.limits, card.citation, card.licence, card.cameras) == (("night",), "doi:1", "MIT", ())


def test_what_is_wrong_is_one_line_and_publishes_nothing(checkout: Path, monkeypatch) -> None:
    Path("list.json").write_text("[]")
    licence = ("--licence", "MIT")
    for arguments, match in {
        ("demo-phone", "zoo"): r"publish: the card of models/demo-phone states no licence.*--licence",
        ("demo-fone", "zoo", *licence): r"no block cameras\.demo-fone, did you mean",
        ("demo-phone", "zoo", *licence, "--version", "1-b"): "the version must be a number such as 2",
        ("demo-phone", "https://example.org", *licence): "only folders and s3://",
        ("demo-phone", "zoo", "--card", "none.json"): "none.json: No such file.*--card names a JSON file",
        ("demo-phone", "zoo", "--card", "list.json"): "list.json is not a JSON object",
    }.items():
        with pytest.raises(SystemExit, match=match):
            run(monkeypatch, *arguments)
    assert not Path("zoo").exists()


def test_scores_of_other_weights_are_not_published(checkout: Path, monkeypatch) -> None:
    """Protects: a card's scores are those of its model, also after a new training by hand."""
    paths = CameraPaths(camera="demo-phone")
    registered = json.loads(paths.registered.read_bytes())
    paths.registered.write_text(json.dumps(registered | {"sha256": "0" * 64}))
    for broken in (paths.registered, paths.intervals, paths.model / "config.json"):
        with pytest.raises(
            SystemExit, match=r"camera demo-phone: its model is not yet .*run `dvc repro`, or"
        ):
            run(monkeypatch, "demo-phone", "zoo", "--licence", "MIT")
        broken.unlink()
    assert not Path("zoo").exists()
