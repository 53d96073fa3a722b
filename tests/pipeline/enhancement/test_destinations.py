"""Where results go, and what they never go over."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import Base

from pipeline.enhancement.destinations import is_result, plan
from pipeline.errors import EnhancementError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: beach.jpg, pier.heic, holiday/."""
    monkeypatch.chdir(tmp_path)
    for name in ("beach.jpg", "pier.heic", "sky.NEF", "clip.MOV", "notes.txt"):
        Path(name).write_bytes(b"x")
    Path("holiday").mkdir()
    return tmp_path


def result(path: Path, software: str = "GIMP; wespe phone 0123456789ab, strength 1") -> Path:
    exif = Image.Exif()
    exif[Base.Software] = software
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("sources", "out", "format", "destinations"),
    [
        (["beach.jpg"], None, "", ["beach-enhanced.jpg"]),
        (["beach.jpg"], None, "png", ["beach-enhanced.png"]),
        (["pier.heic"], None, "", ["pier-enhanced.jpg"]),
        (["sky.NEF"], None, "", ["sky-enhanced.tif"]),
        (["sky.NEF"], None, "jpg", ["sky-enhanced.jpg"]),
        (["clip.MOV"], None, "jpg", ["clip-enhanced.MOV"]),
        (["clip.MOV"], "soft.mp4", "", ["soft.mp4"]),
        (["beach.jpg", "pier.heic"], "out", "", ["out/beach.jpg", "out/pier.jpg"]),
        (["beach.jpg"], "soft.png", "", ["soft.png"]),
        (["beach.jpg"], "out", "", ["out/beach.jpg"]),
        (["holiday"], None, "", ["holiday-enhanced"]),
        (["holiday/"], "out", "", ["out"]),
        (["holiday", "beach.jpg"], "out", "", ["out/holiday", "out/beach.jpg"]),
        (["beach.jpg", "beach.jpg"], None, "", ["beach-enhanced.jpg"]),
        (["pier.heic", "pier.jpg"], None, "", ["pier-enhanced-2.jpg", "pier-enhanced.jpg"]),
        (["beach.jpg", "holiday/beach.jpg"], "out", "", ["out/beach.jpg", "out/beach-2.jpg"]),
    ],
)
def test_results_are_beside_their_originals_or_where_asked(here, sources, out, format, destinations):
    Path("pier.jpg").write_bytes(b"x")
    Path("holiday/beach.jpg").write_bytes(b"x")
    work = plan([Path(source) for source in sources], Path(out) if out else None, format)
    assert [one.destination.as_posix() for one in work] == destinations


def test_the_folder_that_one_is_in_has_a_result_beside_it(here, monkeypatch):
    monkeypatch.chdir("holiday")
    assert plan([Path(".")])[0].destination == here / "holiday-enhanced"


@pytest.mark.parametrize(
    ("sources", "out", "reason"),
    [
        (["beach.jpg"], "beach.jpg", "would replace an original"),
        (["beach.jpg"], ".", "would replace an original"),
        (["beach.jpg"], "other.jpg", "was not made by wespe"),
        (["beach.jpg"], "notes.txt", r"notes\.txt: is an existing file and not a photo"),
        (["notes.txt"], None, "unsupported format; supported are .jpg"),
        (["none.jpg"], None, "no such photo or folder"),
    ],
)
def test_unsafe_destinations_are_rejected(here, sources, out, reason):
    """Protects: originals, two results of one name, and files that wespe did not make."""
    Path("holiday/beach.jpg").write_bytes(b"x")
    result(Path("other.jpg"), "Some Editor")
    with pytest.raises(EnhancementError, match=reason):
        plan([Path(source) for source in sources], Path(out) if out else None)


def test_a_name_that_would_be_too_long_is_truncated(here):
    """Protects: names of 243 bytes, as chat programs and downloads give them, with letters of two bytes."""
    long = Path("ä" * 125 + ".jpg")
    long.write_bytes(b"x")
    [work] = plan([long])
    assert work.destination.name.endswith("ä-enhanced.jpg")
    assert len(work.destination.name.encode()) in (254, 255)


def test_a_format_and_a_name_agree(here):
    """Protects: users who request PNG and would get a JPEG."""
    with pytest.raises(EnhancementError, match=r"soft\.jpg: its suffix contradicts --format png"):
        plan([Path("beach.jpg")], Path("soft.jpg"), "png")
    assert plan([Path("beach.jpg")], Path("soft.jpg"), "jpeg")[0].destination == Path("soft.jpg")


def test_its_own_results_are_replaced_and_not_enhanced(here):
    """Protects: running `wespe enhance *.jpg` twice; a photo with a similar name is still enhanced."""
    mine = result(Path("beach-enhanced.jpg"))
    assert [one.source.name for one in plan([Path("beach.jpg"), mine])] == ["beach.jpg"]
    theirs = result(Path("sunset-enhanced.jpg"), "Some Editor")
    assert not is_result(theirs)
    assert plan([theirs])[0].destination.name == "sunset-enhanced-enhanced.jpg"
