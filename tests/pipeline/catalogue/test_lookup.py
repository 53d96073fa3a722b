"""The catalogue: every shipped file is right, and every mistake in a file of one's own is one clear line."""

import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pipeline.catalogue.entry import Entry
from pipeline.catalogue.lookup import SHIPPED, catalogue, find_entry, find_part, read_entry
from pipeline.errors import SourceError
from pipeline.sources.dataset import Dataset
from pipeline.sources.web_photos import HttpFile

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))
OWN = """title = "Mine"
shows = "my street"
home = "https://example.org/"
licence = "CC0"
licence_url = "https://example.org/licence"
commercial_use = "yes"
citation = "me"

[parts.all]
files = [{ url = "https://example.org/mine.zip" }]
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def own(text: str, name: str = "mine") -> Path:
    """Write a file of one's own beside params.yaml."""
    path = Path("catalogue") / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_set_can_be_used(name: str) -> None:
    """pydantic checks what the reader, which does without it, may have let through."""
    entry = find_entry(name)
    table = tomllib.loads((SHIPPED / f"{name}.toml").read_text())
    assert TypeAdapter(Entry).validate_python({"name": name, **table}) == entry
    for address in (entry.home, entry.licence_url):
        assert address.startswith(("http://", "https://"))
    assert len(entry.licence.split()) == 1
    for part in entry.parts:
        source = Dataset(kind="dataset", name=name, part=part)
        files = source.described()[1].files
        assert entry.manual or [HttpFile(url=file.url, sha256=file.sha256) for file in files]


def test_the_expected_sets_are_there() -> None:
    expected = {"dped", "div2k", "flickr2k", "kodak", "kitti", "cityscapes", "fivek", "city100", "raise"}
    assert expected | {"unsplash-lite", "coco-unlabeled"} <= set(NAMES)


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(SourceError, match=r"no data set 'dvi2k', did you mean 'div2k'\?; `wespe datasets`"):
        find_entry("dvi2k")
    with pytest.raises(SourceError, match=r"no data set 'KITTY', did you mean 'kitti'\?"):
        find_entry("KITTY")
    with pytest.raises(SourceError, match="no data set 'qqqq'; `wespe datasets` lists"):
        find_entry("qqqq")


def test_an_unknown_part_gets_the_nearest_ones() -> None:
    with pytest.raises(
        SourceError, match=r"div2k has no part 'train', did you mean 'train-hr'\?; it has train"
    ):
        find_part(find_entry("div2k"), "train")
    with pytest.raises(SourceError, match="part is missing; data set div2k has train-hr, valid-hr"):
        find_part(find_entry("div2k"), "")
    assert find_part(find_entry("kodak"), "")[0] == "all"


def test_a_set_is_added_by_one_file_and_replaced_by_one() -> None:
    own(OWN)
    own(OWN.replace("my street", "from our own mirror"), "div2k")
    assert find_entry("mine").shows == "my street"
    assert find_entry("div2k").shows == "from our own mirror"
    assert {"mine", "kitti"} <= set(catalogue())


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("shows =", "show =", r"unknown key show, did you mean 'shows'\?"),
        ('home = "https://example.org/"\n', "", "home is missing"),
        ('"yes"', '"maybe"', "commercial_use must be one of yes, no, unstated"),
        ('title = "Mine"', "title = 7", "title must be text"),
        ("[parts.all]", "[parts.all]\nphotos = true", "parts.all.photos must be a whole number"),
        ("[parts.all]", '[parts.all]\nmembers = "*"', "parts.all.members must be a list"),
        ("[parts.all]", "[parts.all]\nmembers = [1]", "parts.all.members must be a list of texts"),
        ("[parts.all]", '[parts.all]\ntruth = "canon"', "parts.all.truth: there is no part 'canon'"),
        ("{ url =", "{ uri =", r"unknown key parts.all.files.uri, did you mean 'url'\?"),
        ("{ url =", "{ name =", "parts.all.files: needs files with a url, or the set needs `manual`"),
        ("[parts.all]", "[parts]\nall = 3\n[other]", "parts.all must be a table"),
        ("[parts.all]", "[parts.all", r"is not valid TOML"),
        ("my street", "my \x00street", r"is not valid TOML"),
    ],
)
def test_a_mistake_in_a_file_is_named(wrong: str, right: str, message: str) -> None:
    path = own(OWN.replace(wrong, right))
    with pytest.raises(SourceError, match=rf"catalogue/mine.toml.*{message}") as caught:
        read_entry(path)
    assert "\n" not in str(caught.value)
