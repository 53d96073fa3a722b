"""The command as a photographer types it, on a machine that has the library alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from PIL.ExifTags import Base
from pydantic import TypeAdapter

from pipeline.enhancement.stores import open_store
from pipeline.layout import CONFIG
from pipeline.models.card import CARD, CameraPattern, Card
from pipeline.models.model_files import save_model
from pipeline.photos.headers import software
from pipeline.sources.settings import PhotoSet
from pipeline.zoo.packaging import package
from pipeline.zoo.publishing import publish
from wespe.methods import build_generator
from wespe.methods.wespe import WespeConfig
from wespe.methods.whitebox import WhiteboxConfig
from wespe.networks.resnet import ResNetConfig

EXTRAS = ["ray", "mlflow", "dvc", "boto3", "pydantic", "yaml", "requests"]
EXTRAS += ["scipy", "skimage", "sklearn", "torchvision"]
WITH_TORCH = "(torch was loaded)"
COMMAND = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRAS}))     # importing one of them is an error now
sys.argv[0] = "wespe"
from pathlib import Path
import pipeline.models.known_models
pipeline.models.known_models.SHIPPED = Path("shipped").absolute()     # none, but where a test puts some
from stages.laptop import main
try:
    main()
finally:
    if "torch" in sys.modules:
        print("{WITH_TORCH}", file=sys.stderr)
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder `my-phone` that changes a photo visibly."""
    folder = tmp_path_factory.mktemp("downloads") / "my-phone"
    torch.manual_seed(0)
    method = WespeConfig(generator=ResNetConfig(width=4, blocks=1))
    save_model(folder, build_generator(method), method, {"camera": "phone", "target": "dslr", "step": 1000})
    return folder


@pytest.fixture
def wespe(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `wespe(*arguments)`: the command in an empty folder, none of the optional packages there."""
    monkeypatch.delenv("WESPE_ZOO", raising=False)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(repository), "WESPE_MODELS": str(tmp_path / "own-models")},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def holiday(demo_photos: Path) -> Path:
    """A folder with two real photos, small, one of them below it."""
    folder = demo_photos.with_name("holiday")
    (folder / "cats").mkdir(parents=True)
    for name, place in (("rocket.jpg", folder / "rocket.jpg"), ("chelsea.png", folder / "cats/chelsea.png")):
        with Image.open(demo_photos / name) as photo:
            photo.resize((160, 120)).save(place)
    shutil.rmtree(demo_photos)
    return folder


def error_of(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert ended.returncode == 1, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("wespe ")
    assert "Traceback" not in ended.stderr
    return line


def test_a_photo_is_enhanced_by_the_library_alone(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: `pip install` without extras is enough, from a downloaded archive to an enhanced photo."""
    archive = holiday.with_name("downloaded.zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for file in model.iterdir():
            packed.write(file, f"my-phone/{file.name}")
    added = wespe("models", "add", archive)
    assert added.returncode == 0, added.stderr
    photo = holiday / "rocket.jpg"
    before = photo.read_bytes()
    ended = wespe("enhance", photo)
    assert ended.returncode == 0, ended.stderr
    assert photo.read_bytes() == before
    assert ended.stdout.strip() == str(holiday / "rocket-enhanced.jpg")
    with Image.open(photo) as original, Image.open(holiday / "rocket-enhanced.jpg") as enhanced:
        assert enhanced.size == original.size
        assert enhanced.getexif()[Base.Software].startswith("wespe phone")
        assert np.abs(np.asarray(enhanced).astype(int) - np.asarray(original)).mean() > 1


def test_each_photo_gets_the_model_for_its_camera(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: a user who has just installed wespe; a line tells which model, and so does EXIF."""
    for name, pattern in (("iphone-x", "iphone x"), ("generic-phone", "")):
        ship(model, holiday.with_name("shipped") / name, pattern)
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = "Apple", "iPhone X"
    with Image.open(holiday / "rocket.jpg") as photo:
        photo.save(holiday / "iphone.jpg", exif=exif)
    ended = wespe("enhance", holiday / "iphone.jpg", holiday / "rocket.jpg")
    assert ended.returncode == 0, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("model ")]
    assert [line.partition(";")[0] for line in lines] == [
        "model iphone-x for 1 photo: made for apple iphone x",
        "model generic-phone for 1 photo: no other is made for the camera",
    ]
    assert made_by(holiday / "iphone-enhanced.jpg") == "iphone-x"
    assert made_by(holiday / "rocket-enhanced.jpg") == "generic-phone"
    for result in holiday.glob("*-enhanced.jpg"):
        result.unlink()
    ended = wespe("enhance", holiday)
    assert ended.returncode == 0, ended.stderr
    assert "model generic-phone for 2 photos: no other" in ended.stderr
    results = holiday.with_name("holiday-enhanced")
    made = {path.stem: made_by(path) for path in results.rglob("*.[jp][pn]g")}
    assert made == {"iphone": "iphone-x", "rocket": "generic-phone", "chelsea": "generic-phone"}
    assert "3 up to date" in wespe("enhance", holiday).stdout
    ended = wespe("enhance", holiday / "iphone.jpg", "--model", "generic-phone")
    assert made_by(holiday / "iphone-enhanced.jpg") == "generic-phone"
    assert "choose another" not in ended.stderr


def ship(model: Path, folder: Path, pattern: str) -> None:
    """Copy a model as `stages.publish` writes it: named in config.json, with a card."""
    shutil.copytree(model, folder)
    config = json.loads((folder / CONFIG).read_bytes())
    (folder / CONFIG).write_text(json.dumps(config | {"name": folder.name}))
    cameras = (CameraPattern(make="apple", model=pattern),) if pattern else ()
    card = Card(name=folder.name, version="1", licence="MIT", cameras=cameras)
    (folder / CARD).write_bytes(card.json())


def made_by(photo: Path) -> str:
    """The model that EXIF names; the format has it in one place or another."""
    return software(photo).split()[1]


def test_a_photo_without_a_model_for_its_camera_is_reported(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: nothing is skipped in silence, and the others are enhanced."""
    for name in ("iphone-x", "iphone-3"):
        ship(model, holiday.with_name("own-models") / name, name.replace("-", " "))
    ended = wespe("enhance", holiday)
    assert ended.returncode == 1
    assert (
        ended.stderr.count("no model is made for its camera; choose one with --model: iphone-3, iphone-x")
        == 2
    )
    assert "no model is made for its camera" in error_of(wespe("enhance", holiday / "rocket.jpg"))


def test_models_come_from_a_zoo(
    wespe: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects: all verbs, by the library alone, from a folder that others have published in."""
    zoo = tmp_path / "zoo"
    files = package(model, {"name": "iphone-x", "licence": "CC0-1.0", "cameras": [{"model": "iphone x"}]})
    publish(files, open_store(str(zoo)))
    found = wespe("models", "search", "iphone", "--zoo", zoo)
    assert found.stdout.splitlines()[1].split()[:5] == ["iphone-x", "1", "iphone", "x", "CC0-1.0"]
    assert found.stderr == ""
    assert "# iphone-x 1" in wespe("models", "info", "iphone-x", "--zoo", zoo).stdout
    added = wespe("models", "add", "iphone-x", "--zoo", zoo)
    assert added.returncode == 0, added.stderr
    assert "licence CC0-1.0; use it: wespe enhance PHOTO --model iphone-x" in added.stdout
    info = wespe("models", "info", "iphone-x")
    assert "# iphone-x 1" in info.stdout
    assert info.stderr == ""
    assert wespe("models", "update", "--zoo", zoo).stdout == "iphone-x: 1 is the newest\n"
    assert wespe("models", "remove", "iphone-x").stdout.startswith("removed ")
    assert list((tmp_path / "own-models").iterdir()) == []
    assert "did you mean iphone-x?" in error_of(wespe("models", "add", "iphon-x", "--zoo", zoo))
    monkeypatch.setenv("WESPE_ZOO", str(zoo))
    assert "# iphone-x 1" in wespe("models", "info", "iphone-x").stdout
    assert wespe("models", "add", "iphone-x").returncode == 0
    assert wespe("models", "add", model).returncode == 0
    assert wespe("models", "--names").stdout == "iphone-x\nmy-phone\n"


def test_lost_content_is_reported(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: further pages of a scan must not be lost silently."""
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (50, 100)]
    frames[0].save(holiday / "scan.tif", save_all=True, append_images=frames[1:])
    for source in (holiday / "scan.tif", holiday):
        ended = wespe("enhance", source, "--model", model)
        assert ended.returncode == 0, ended.stderr
        assert "scan.tif: only the first of its 2 frames is used" in ended.stderr


def test_a_second_run_replaces_only_its_own_results(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: new settings only replace earlier results; results are not enhanced again."""
    photo, result = holiday / "rocket.jpg", holiday / "rocket-enhanced.jpg"
    assert wespe("enhance", photo, "--model", model).returncode == 0
    whole = result.read_bytes()
    again = wespe("enhance", *sorted(holiday.glob("*.jpg")), "--model", model, "--strength", "0.5")
    assert again.returncode == 0, again.stderr
    assert result.read_bytes() != whole
    assert sorted(path.name for path in holiday.glob("*.jpg")) == [result.name, photo.name]
    shutil.copy(photo, result)
    assert "was not made by wespe" in error_of(wespe("enhance", photo, "--model", model))
    assert result.read_bytes() == photo.read_bytes()


def test_a_folders_results_go_to_a_folder_next_to_it(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: names and sub-folders are kept; a broken photo does not stop the others; RAW is reported."""
    (holiday / "broken.jpg").write_bytes(b"no photo")
    (holiday / "rocket.dng").write_bytes(b"beside rocket.jpg, so it is not read")
    ended = wespe("enhance", holiday, "--model", model)
    results = holiday.with_name("holiday-enhanced")
    assert {str(path.relative_to(results)) for path in results.rglob("*.[jp][pn]g")} == {
        "rocket.jpg",
        "cats/chelsea.png",
    }
    assert ended.returncode == 1
    assert "broken.jpg: not a JPEG" in ended.stderr
    assert "1 RAW skipped, beside the camera's own photos of them" in ended.stderr
    (holiday / "broken.jpg").unlink()
    again = wespe("enhance", holiday, "--model", model)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("0 photos → ")
    assert "2 up to date" in again.stdout


def test_ctrl_c_waits_for_photos_in_progress_and_says_what_is_done(
    model: Path, demo_photos: Path, repository: Path, tmp_path: Path
) -> None:
    """Protects: the exit code and the ledger; a process that left torch's threads running was aborted."""
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(demo_photos / "chelsea.png") as photo:
        large = photo.resize((1200, 900))
    for number in range(30):
        large.save(folder / f"{number}.jpg")
    results = tmp_path / "many-enhanced"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "enhance", folder, "--model", model],
        env=os.environ | {"PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(results.glob("*.jpg")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert re.search(r"wespe enhance: interrupted \(\d+ photos are enhanced, \d+ are left\); run the", errors)
    assert "Traceback" not in errors
    [said] = re.findall(r"\((\d+) photos", errors)
    ledger = pq.read_table(results / "ledger").to_pylist()
    assert len(ledger) == int(said) == len(list(results.glob("*.jpg")))


def test_dates_are_kept_where_asked(wespe: Run, model: Path, holiday: Path) -> None:
    photo = holiday / "rocket.jpg"
    os.utime(photo, (10**9, 10**9))
    ended = wespe("enhance", photo, "--model", model, "--keep-dates")
    assert ended.returncode == 0, ended.stderr
    assert (holiday / "rocket-enhanced.jpg").stat().st_mtime == 10**9


def test_files_of_other_programs_are_never_replaced(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: photos with the same names made by another program."""
    theirs = shutil.copytree(holiday, holiday.with_name("holiday-enhanced"))
    ended = wespe("enhance", holiday, "--model", model)
    assert "exists already and was not made by wespe" in error_of(ended)
    assert (theirs / "rocket.jpg").read_bytes() == (holiday / "rocket.jpg").read_bytes()


def test_edits_of_one_photo_are_json_that_other_photos_can_get(wespe: Run, holiday: Path) -> None:
    """Protects: what a model decided can be read, changed, and made again at any size, without the model."""
    torch.manual_seed(0)
    save_model(holiday / "box", build_generator(WhiteboxConfig()), WhiteboxConfig(), {"camera": "box"})
    photo, large, edits = holiday / "rocket.jpg", holiday / "large.png", holiday / "edits.json"
    told = wespe("explain", photo, "--model", holiday / "box")
    assert told.returncode == 0, told.stderr
    edits.write_text(told.stdout)
    listed = json.loads(told.stdout)["edits"]
    assert len(listed) == WhiteboxConfig().edits

    def enhanced(model: Path) -> np.ndarray:
        ended = wespe("enhance", photo, "--model", model, "--format", "png")
        assert ended.returncode == 0, ended.stderr
        with Image.open(holiday / "rocket-enhanced.png") as result:
            return np.asarray(result).astype(int)

    assert np.abs(enhanced(edits) - enhanced(holiday / "box")).max() <= 1  # values have four digits

    with Image.open(photo) as small:
        small.resize((320, 240), Image.Resampling.NEAREST).save(large)
    edits.write_text('{"edits": [{"edit": "brightness", "factor": 0.5}]}')
    ended = wespe("enhance", large, "--model", edits)
    assert ended.returncode == 0, ended.stderr
    assert "edits edit brightness, factor 0.5" in ended.stderr
    with Image.open(large) as before, Image.open(holiday / "large-enhanced.png") as after:
        halved = np.asarray(before).astype(int) / 2
        assert np.abs(np.asarray(after) - halved).max() <= 1
    assert made_by(holiday / "large-enhanced.png") == "edits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edits.json is not JSON"),
        ("[" * 100_000, "edits.json is not JSON"),
        ('["gamma"]', "edits.json must have 1 to 100 edits"),
        ('{"edits": []}', "edits.json must have 1 to 100 edits"),
        ('{"edits": [{"edit": "blur", "px": 3}]}', "edits.json: edit 1 must have `edit`, one of brightness"),
        ('{"edits": [{"edit": "gamma", "power": NaN}]}', "edit 1, gamma: power must be a number"),
    ],
)
def test_an_invalid_file_of_edits_is_refused(wespe: Run, holiday: Path, text: str, message: str) -> None:
    (holiday / "edits.json").write_text(text)
    assert message in error_of(wespe("enhance", holiday / "rocket.jpg", "--model", holiday / "edits.json"))


def test_a_model_that_tells_nothing_says_so(wespe: Run, model: Path, holiday: Path) -> None:
    ended = wespe("explain", holiday / "rocket.jpg", "--model", model)
    assert "my-phone decides nothing that can be told in words" in error_of(ended)


def test_invalid_commands_fail_fast_with_one_line(wespe: Run, model: Path, holiday: Path) -> None:
    """Protects: mistakes are reported before torch is imported, which takes seconds."""
    wrong = {
        ("enhance", "none.jpg"): "none.jpg: no such photo or folder",
        ("enhance", str(holiday / "rocket.jpg")): "no models on this machine yet; add one with",
        ("enhance", str(holiday / "rocket.jpg"), "--model", "x"): "--model x: no such model folder",
        ("explain", "none.jpg", "--model", "x"): "--model x: no such model folder",
        ("compare", str(holiday), "none"): "none: no such photo or folder",
        ("models", "add", "x.zip"): "x.zip: no such folder or archive; for a model of a zoo",
        ("models", "add", "iphone-x", "--zoo", "http://example.org"): "a zoo's address begins with https://",
        ("models", "search"): "no zoo; name one with --zoo",
        ("models", "remove", "x"): "no model x; you have added none",
        ("models", "info", "x"): "no model x on this machine",
    }
    for arguments, message in wrong.items():
        ended = wespe(*arguments)
        assert message in error_of(ended)
        assert WITH_TORCH not in ended.stderr


def test_models_are_listed_without_torch(wespe: Run, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "models/phone")
    listed = wespe("models")
    assert listed.stdout.splitlines()[1].split()[:5] == ["phone", "phone", "→", "dslr", "wespe"]
    assert "1,000 steps" in listed.stdout
    assert listed.stderr == ""
    assert wespe("models", "--names").stdout == "phone\n"
    assert "$WESPE_MODELS" in wespe("models", "--help").stdout


def test_completion_never_executes_names(wespe: Run, model: Path, tmp_path: Path) -> None:
    """Protects: users who press Tab in an untrusted folder; bash expands completions."""
    shutil.copytree(model, tmp_path / "models/$(touch evil)")
    assert wespe("models", "--names").stdout == ""


def test_two_folders_become_a_page(wespe: Run, holiday: Path) -> None:
    """Protects: the command also works without the packages for scores."""
    brighter = shutil.copytree(holiday, holiday.with_name("brighter"))
    with Image.open(holiday / "rocket.jpg") as photo:
        photo.point(lambda level: level + 40).save(brighter / "rocket.jpg")
    ended = wespe("compare", holiday, brighter)
    assert ended.returncode == 0, ended.stderr
    words, place = ended.stdout.splitlines()
    assert words.startswith("brighter by")
    page = Path(place).read_text()
    assert place.endswith("brighter-compared.html")
    assert page.count("data:image/jpeg") == 2 * 2 + 2
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_page_replaces_no_photo(wespe: Run, holiday: Path) -> None:
    photo = holiday / "rocket.jpg"
    before = photo.read_bytes()
    assert "rocket.jpg: the page's name must end in .html" in error_of(
        wespe("compare", photo, photo, "-o", photo)
    )
    assert photo.read_bytes() == before
    assert wespe("compare", photo, photo, "-o", holiday / "new/page.html").returncode == 0
    trip = holiday.rename(holiday.with_name("trip.2024"))
    assert wespe("compare", trip, trip).stdout.strip().endswith("trip.2024-compared.html")


def test_data_sets_are_listed_without_the_packages_that_fetch_them(wespe: Run, tmp_path: Path) -> None:
    listed = wespe("datasets")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert lines[0].split("  ")[0] == "NAME"
    [row] = [line for line in lines if line.startswith("div2k ")]
    assert re.split(r"\s{2,}", row)[1:6] == ["900", "4 GB", "automatic", "research", "no"]
    assert WITH_TORCH not in listed.stderr
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/div2k.toml").write_text("shows = 3")
    assert "catalogue/div2k.toml: title is missing" in error_of(wespe("datasets"))


def test_a_data_set_is_shown_with_lines_that_params_yaml_takes(wespe: Run) -> None:
    shown = wespe("datasets", "dped")
    assert shown.returncode == 0, shown.stderr
    assert "put it into data/manual/dped" in " ".join(shown.stdout.split())
    block = yaml.safe_load(shown.stdout.partition("for params.yaml, under a camera or a target:")[2])
    photos = TypeAdapter(PhotoSet).validate_python(block["photos"])
    assert (photos.source.part, photos.truth.part) == ("iphone-patches", "iphone-patches-canon")
    assert "did you mean 'kitti'?" in error_of(wespe("datasets", "kity"))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_that_its_shell_reads(wespe: Run, shell: str, tmp_path: Path) -> None:
    script = wespe("completion", shell)
    assert script.returncode == 0, script.stderr
    assert "_wespe_models" in script.stdout
    if shutil.which(shell):
        (tmp_path / "script").write_text(script.stdout)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)
