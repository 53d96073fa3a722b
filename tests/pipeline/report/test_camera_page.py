"""The page of a camera: whole in itself, honest in words, and usable without a mouse."""

import json
import re
from base64 import b64encode
from html.parser import HTMLParser

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.scores import read_scores, write_scores
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report.camera_page import write_camera_page

VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """The tags of a page with their attributes; fails where one is closed that was not opened."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path",):
            assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self._open):
            self.words += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def write(camera: str = "phone") -> str:
    size = write_camera_page(camera)
    text = CameraPaths(camera=camera).page.read_text()
    assert len(text.encode()) == size
    return text


def photos_of(text: str) -> list[dict]:
    [found] = re.findall(r'<script type="application/json" id="photos">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_the_page_needs_no_network_and_no_other_file(evaluated_camera):
    evaluated_camera()
    text = write()
    page = Page(text)
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in page.attributes("src"))
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    assert not re.findall(
        r"(?:url\(|@import|fetch\(|https?://)", text.replace("http://www.w3.org/2000/svg", "")
    )
    assert {href for href in page.attributes("href") if not href.startswith("#")} == {
        "../index.html",
        "../tables.md",
    }


def test_a_photo_has_every_variant_embedded_as_evaluation_drew_it(evaluated_camera):
    paths = evaluated_camera()
    text = write()
    for number, photo in enumerate(photos_of(text)):
        assert photo["variants"] == ["untouched", "histogram_match", "auto_enhance", "enhanced", "truth"]
        for variant in photo["variants"]:
            assert text.count(f'id="photo-{number}-{variant}"') == 1
    drawn = (paths.shown / "0/truth.jpg").read_bytes()
    assert b64encode(drawn).decode() in text


def test_every_control_has_a_name_and_every_reference_a_target(evaluated_camera):
    evaluated_camera()
    text = write()
    page = Page(text)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    anchors = [href[1:] for href in page.attributes("href") if href.startswith("#")]
    assert {*page.attributes("popovertarget"), *page.attributes("aria-labelledby"), *anchors} <= set(ids)
    for tag, attributes in page.tags:
        if tag == "input" and attributes["type"] == "range":
            assert attributes["aria-label"]
        if tag == "svg":
            assert "aria-label" in attributes or attributes["aria-hidden"] == "true"
        if tag == "img":
            assert "alt" in attributes
            assert attributes["decoding"] == "async"


def test_the_headline_and_the_tables_say_which_way_is_better(evaluated_camera):
    evaluated_camera()
    page = Page(write())
    assert "The model improves this camera’s photos" in page.words
    assert re.search(r"dB closer to the truth than the untouched photo \(95 % interval \+", page.words)
    assert "than a histogram match" in page.words
    arrows = page.attributes("aria-label")
    assert arrows.count("higher is better") == 1  # PSNR
    assert arrows.count("lower is better") == 2  # noise, colour distance


def test_too_few_photos_have_no_interval_and_the_page_says_so(evaluated_camera):
    evaluated_camera(photos=3)
    words = Page(write()).words
    assert "There are too few test photos to tell whether the model improves this camera’s photos." in words
    assert "n too small for an interval: 3 test photos, at least 5 needed" in words
    assert "95 % interval +" not in words


def test_scores_that_are_missing_are_named_with_their_reason(evaluated_camera):
    paths = evaluated_camera()
    write_scores(paths.scores, read_scores(paths.scores), {"niqe_target": "too few sharp patches"})
    words = " ".join(Page(write()).words.split())
    assert "Left out: NIQE, fitted to the target: too few sharp patches." in words


def test_photo_names_are_escaped_in_html(evaluated_camera):
    evaluated_camera(name="</script><img src=x onerror=alert(1)>{number}")
    text = write()
    assert "<img src=x" not in text
    assert photos_of(text)[0]["name"].startswith("</script><img")


def test_without_truths_the_first_photos_are_shown_and_colours_decide(evaluated_camera):
    evaluated_camera(photos=4, truth=False)
    text = write()
    page = Page(text)
    assert "The first test photos" in page.words
    assert "moves colours closer to the target’s" in page.words
    assert "No photo has a truth" in page.words
    assert 'value="truth"' not in text


def test_the_page_tells_data_settings_and_how_to_use_the_model(evaluated_camera):
    paths = evaluated_camera()
    config = json.loads((paths.model / "config.json").read_text())
    words = Page(write()).words
    assert config["weights_sha256"] in words
    assert "generator.width" in words
    assert "python -m stages.enhance --model models/phone IN OUT" in words
    assert re.search(r"train\s*2\s*2\s*", words)
    assert re.search(r"test\s*3\s*3\s*", words)
    registered = {
        "name": "wespe-phone",
        "version": 7,
        "aliases": ["champion"],
        "reason": "the first champion",
    }
    paths.registered.write_text(json.dumps(registered))
    words = Page(write()).words
    assert "wespe-phone, version 7 (champion)" in words
    assert "python -m stages.enhance --model models:/wespe-phone@champion IN OUT" in words


def test_the_licences_of_data_sets_are_shown(evaluated_camera):
    paths = evaluated_camera()
    assert "Licences of the data sets" not in Page(write()).words
    config = json.loads((paths.model / CONFIG).read_bytes())
    facts = {
        "role": "target",
        "name": "div2k",
        "part": "train-hr",
        "licence": "research <b>",
        "citation": "A 2017",
    }
    config["data_sets"] = [facts | {"licence_url": "https://host/licence", "commercial_use": "no"}]
    (paths.model / CONFIG).write_text(json.dumps(config))
    words = " ".join(Page(write()).words.split())
    assert "Commercial use of the model: no (div2k)." in words
    assert "no (div2k), see the data sets" in words
    for text in ("div2k, train-hr", "research <b> https://host/licence", "A 2017"):
        assert text in words


def test_the_same_inputs_give_the_same_page(evaluated_camera):
    evaluated_camera()
    assert write() == write()


def test_without_pictures_the_page_says_how_to_get_them(evaluated_camera):
    paths = evaluated_camera()
    (paths.shown / "index.json").unlink()
    assert "python -m stages.evaluate phone" in Page(write()).words


@pytest.mark.parametrize("missing", ["scores", "intervals"])
def test_a_missing_evaluation_is_reported_with_the_command_to_run(evaluated_camera, missing):
    paths = evaluated_camera()
    getattr(paths, missing).unlink()
    with pytest.raises(PipelineError, match=f"{missing}.*dvc repro"):
        write()
    assert not CameraPaths(camera="phone").page.exists()
