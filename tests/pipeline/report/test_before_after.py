"""The page of `wespe compare`: what it says is measured, and all of it is inside."""

import io
import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.photos.images import write_photo
from pipeline.report import before_after
from pipeline.report.before_after import write_before_after
from pipeline.report.differences import difference
from wespe.metrics.full_reference import psnr

GREY = np.full((40, 60, 3), 100, np.uint8)


def test_changes_are_described_in_words() -> None:
    warm = GREY.copy()
    warm[..., 0] += 20
    said = difference(GREY, warm).words()
    assert said == ("brighter by 6\N{NO-BREAK SPACE}%", "warmer by 20\N{NO-BREAK SPACE}levels", said[2])
    assert said[2].startswith("more colourful")
    assert difference(GREY, GREY).words() == ("as bright", "as warm", "as colourful")
    assert difference(warm, GREY).words()[1] == "cooler by 20\N{NO-BREAK SPACE}levels"


def test_psnr_is_the_reports() -> None:
    other = np.random.default_rng(0).integers(0, 255, GREY.shape, np.uint8)
    assert difference(GREY, other).psnr == pytest.approx(psnr(GREY, other))


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    found = {}
    for name, level in (("a", 20), ("b</script><b>", 40)):
        paths = (tmp_path / f"{level}.png", tmp_path / f"{level}-after.png")
        write_photo(paths[0], GREY)
        write_photo(paths[1], GREY + np.uint8(level))
        found[name] = paths
    return found


def test_pixels_are_inside_at_1_to_1(pairs, tmp_path: Path) -> None:
    """Protects: before is left and after right, in original pixels; names are escaped."""
    mean = write_before_after(pairs, tmp_path / "page.html")
    assert mean.brightness == pytest.approx(30, abs=0.1)
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page.replace("<b></b>", "")
    [photos] = re.findall(r'id="photos">(.*?)</script>', page)
    assert [(photo["width"], photo["height"]) for photo in json.loads(photos)] == [(60, 40)] * 2
    sides = re.findall(r'id="photo-(\d)-(\w+)">data:image/jpeg;base64,([^<]*)<', page)
    levels = {(n, side): np.asarray(Image.open(io.BytesIO(b64decode(uri)))).mean() for n, side, uri in sides}
    assert levels[("0", "untouched")] == pytest.approx(100, abs=1)
    assert levels[("1", "enhanced")] == pytest.approx(140, abs=1)


def test_large_photos_show_their_middle_and_many_the_first(pairs, tmp_path: Path, monkeypatch) -> None:
    """Protects: a page that browsers can open for any number of photos; the table lists all."""
    monkeypatch.setattr(before_after, "MOST_SHOWN", 1)
    monkeypatch.setattr(before_after, "SHOWN_MEGAPIXELS", 600 / 1_000_000)
    write_before_after(pairs, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    [photos] = re.findall(r'id="photos">(.*?)</script>', page)
    [photo] = json.loads(photos)
    assert (photo["width"], photo["height"], photo["facts"]) == (30, 20, "60 × 40 px, its centre at 1:1")
    assert "The first 1 of 2 photos" in page
    assert page.count("<tr>") == 1 + 2


def test_photos_with_different_aspect_ratios_are_rejected_as_a_pair(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", GREY)
    write_photo(tmp_path / "b.png", GREY[:20])
    with pytest.raises(PipelineError, match=r"a\.png is 60 × 40 px, .*b\.png 60 × 20; .*same aspect ratio"):
        write_before_after({"a": (tmp_path / "a.png", tmp_path / "b.png")}, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
