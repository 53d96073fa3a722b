"""The page in a real browser: all pairs are asked, nothing tells whose photo is whose, nothing is lost."""

import json
import time
from pathlib import Path

import pytest

from pipeline.research.study.answers import read_answers
from pipeline.research.study.key import Study
from pipeline.research.study.order import in_order, on_left

READY = "ready"  # both photos are on the screen
LEFT, RIGHT = "figure:first-child button", "figure:last-child button"


@pytest.fixture
def page(study: Study, studies: Path) -> Path:
    return studies / f"{study.name}.html"


def begin(browser, page: Path) -> None:
    browser.open(page)
    browser.click("#begin")
    browser.wait(READY)


def answers(browser) -> list[dict]:
    return browser.js("answers.choices")


def test_clicks_through_all_pairs_make_an_export_that_is_collected(browser, page, study):
    begin(browser, page)
    assert browser.js("document.getElementById('left').textContent") == "4 pairs left"
    for selector in (LEFT, RIGHT, "#neither", LEFT):
        browser.wait(READY)
        browser.click(selector)
    browser.wait("!document.getElementById('end').hidden")
    browser.click("#download")
    browser.wait("document.getElementById('saved').textContent.startsWith('Saved')")
    [file] = wait_for_download(browser)
    assert file.read_text() == browser.js("document.getElementById('export').value")
    [collected] = read_answers([file], study)
    asked = in_order(collected.participant, study)
    lefts = [on_left(collected.participant, pair) for pair in asked]
    rights = [({*pair.photos} - {left}).pop() for pair, left in zip(asked, lefts, strict=True)]
    assert [choice.chosen for choice in collected.choices] == [lefts[0], rights[1], None, lefts[3]]


def wait_for_download(browser) -> list[Path]:
    for _ in range(200):
        if found := list(browser.downloads.glob("choices-*.json")):
            return found
        time.sleep(0.05)
    raise AssertionError("nothing was downloaded")


def test_keys_choose_undo_and_zoom(browser, page):
    begin(browser, page)
    for key in ("ArrowLeft", "ArrowRight", "ArrowDown"):
        browser.press(key)
        browser.wait(READY)
    one, two, three = answers(browser)
    assert one["chosen"] == one["left"]
    assert two["chosen"] not in (two["left"], None)
    assert three["chosen"] is None
    browser.press("Backspace")
    browser.wait(READY)
    browser.press("z")
    assert browser.js("zoomed")
    browser.press("z")
    assert not browser.js("zoomed")
    assert answers(browser) == [one, two]
    browser.press(" ")
    browser.wait(READY)
    assert answers(browser) == [one, two, three]


def test_a_space_after_a_click_is_no_preference_and_not_the_clicked_photo_again(browser, page):
    begin(browser, page)
    browser.click(RIGHT)
    browser.wait(READY)
    browser.press(" ")
    browser.wait(READY)
    assert answers(browser)[1]["chosen"] is None


def test_a_reload_continues_with_the_same_participant_and_pair(browser, page):
    begin(browser, page)
    browser.press("ArrowLeft")
    browser.wait(READY)
    before = browser.js("answers"), browser.js("images[0].src")
    browser.open(page)
    browser.wait(READY)
    assert (browser.js("answers"), browser.js("images[0].src")) == before
    assert browser.js("document.getElementById('left').textContent") == "3 pairs left"


@pytest.mark.parametrize(
    "kept", ["{", '{"participant": 1}', '{"participant": "%s", "choices": [{}]}' % ("0" * 32)]
)
def test_damaged_local_storage_starts_over(browser, page, study, kept):
    browser.open(page)
    browser.js(f"localStorage.setItem('study-{study.id}', {json.dumps(kept)})")
    begin(browser, page)
    assert answers(browser) == []


def test_without_local_storage_the_page_works_and_says_so(browser, page):
    broken = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})"
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=broken)
    browser.open(page)
    assert "keeps nothing" in browser.js("document.getElementById('kept').textContent")
    browser.click("#begin")
    for _ in range(4):
        browser.wait(READY)
        browser.press("ArrowLeft")
    assert not browser.js("document.getElementById('end').hidden")


def test_a_press_zooms_both_photos_to_the_same_place_at_1_to_1(browser, page):
    begin(browser, page)
    while browser.js("order[answers.choices.length].width") != 1000:
        browser.press("ArrowDown")
        browser.wait(READY)
    browser.click(".frame", 0.75, 0.25)
    boxes = "[...images].map((i, n) => [i.getBoundingClientRect(), frames[n].getBoundingClientRect()])"
    shown = browser.js(f"{boxes}.map(([i, f]) => [i.x - f.x, i.y - f.y, i.width, i.height])")
    assert shown[0] == shown[1]
    x, _, width, height = shown[0]
    assert (width, height) == pytest.approx((1000, 667), abs=1.5)
    frame = browser.js("frames[0].getBoundingClientRect().width")
    assert -x == pytest.approx(0.75 * (1000 - frame), abs=1)  # the pressed place stays under the pointer
    browser.click(".frame")
    assert not browser.js("zoomed")


def test_holding_zooms_for_as_long_as_it_lasts(browser, page):
    begin(browser, page)
    place = browser.place(".frame")
    browser.mouse("mousePressed", *place)
    assert browser.js("zoomed")
    browser.js("new Promise((done) => setTimeout(done, 400))")
    browser.mouse("mouseReleased", *place)
    assert not browser.js("zoomed")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (844, 390), (320, 568)])
def test_photos_are_of_one_size_and_all_fits_the_screen(browser, page, width, height):
    browser.size(width, height)
    begin(browser, page)
    for _ in range(4):
        sizes = browser.js("[...frames].map((frame) => [frame.offsetWidth, frame.offsetHeight])")
        assert sizes[0] == sizes[1]
        assert min(sizes[0]) > 120
        root = "document.documentElement"
        assert browser.js(f"[{root}.scrollWidth, {root}.scrollHeight]") == [width, height]
        ends = browser.js(
            "[...document.querySelectorAll('#asking button')].map((b) => b.getBoundingClientRect().toJSON())"
        )
        assert all(end["right"] <= width and end["bottom"] <= height and end["left"] >= 0 for end in ends)
        browser.press("ArrowDown")
        browser.wait(f"{READY} || !document.getElementById('end').hidden")


def test_the_page_fetches_nothing_and_does_not_reveal_sides(browser, page):
    begin(browser, page)
    assert (
        browser.js("performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:'))")
        == []
    )
    written = browser.js("document.documentElement.outerHTML.replace(/data:[^\"]*/g, '')").lower()
    for secret in ("before", "after", "weak", "strong", "astronaut", "coffee", ".png"):
        assert f'"{secret}' not in written
        assert f"{secret}<" not in written
    assert browser.js("[...images].map((image) => [image.alt, image.title])") == [
        ["First photo", ""],
        ["Second photo", ""],
    ]


def test_the_browser_and_python_agree_on_order_and_sides(browser, page, study):
    browser.open(page)
    for participant in (f"{number:032x}" for number in range(20)):
        shown = browser.js(
            f"inOrder('{participant}').map((pair) => [pair.id, onSides('{participant}', pair)[0].id])"
        )
        asked = in_order(participant, study)
        assert shown == [[pair.id, on_left(participant, pair)] for pair in asked]


def test_another_participant_can_start_after_saving(browser, page):
    begin(browser, page)
    first = browser.js("answers.participant")
    for _ in range(4):
        browser.press("ArrowLeft")
        browser.wait(f"{READY} || !document.getElementById('end').hidden")
    assert browser.js("document.getElementById('again').disabled")
    browser.click("#copy")
    browser.wait("!document.getElementById('again').disabled")
    browser.click("#again")
    assert answers(browser) == []
    assert browser.js("answers.participant") != first
