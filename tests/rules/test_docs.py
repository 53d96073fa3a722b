"""Every link of the documentation that stays in the repository leads to a file, and to a heading in it."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.reference import pages

LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+?)(?: \{ #(?P<anchor>[\w-]+) \})?$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def documents(repository: Path) -> dict[Path, str]:
    """Path → text of everything that is read as documentation; generated pages as they would be now."""
    files = [repository / "README.md", repository / "CONTRIBUTING.md", *(repository / "docs").rglob("*.md")]
    written = {file: file.read_text() for file in files}
    generated = {repository / "docs/reference" / name: text for name, text in pages().items()}
    return {path: CODE.sub("", text) for path, text in (written | generated).items()}


def slug(heading: str) -> str:
    """A heading's anchor as the site makes it; GitHub makes the same of the headings used here."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def anchors(text: str) -> set[str]:
    return {match["anchor"] or slug(match["text"]) for match in HEADING.finditer(text)}


def links(text: str) -> Iterator[tuple[str, str]]:
    """Target file, '' for the page itself, and anchor, '' for its beginning."""
    for match in LINK.finditer(text):
        if not re.match(r"[a-z]+:", match["target"]):
            file, _, anchor = match["target"].partition("#")
            yield file, anchor


def test_links_lead_somewhere(documents: dict[Path, str]) -> None:
    broken, count = [], 0
    for page, text in documents.items():
        for file, anchor in links(text):
            count += 1
            target = (page.parent / file).resolve() if file else page
            there = target in documents or target.exists()
            if not there or (anchor and anchor not in anchors(documents.get(target, ""))):
                broken.append(f"{page.name}: {file}#{anchor}")
    assert broken == []
    assert count > 100


def test_what_github_shows_links_to_no_generated_page(documents: dict[Path, str], repository: Path) -> None:
    """README and CONTRIBUTING are read without a build."""
    generated = {repository / "docs/reference" / name for name in pages()}
    for name in ("README.md", "CONTRIBUTING.md"):
        targets = {(repository / file).resolve() for file, _ in links(documents[repository / name])}
        assert not targets & generated


def test_the_site_shows_every_page(documents: dict[Path, str], repository: Path) -> None:
    nav = tomllib.loads((repository / "zensical.toml").read_text())["project"]["nav"]
    docs = repository / "docs"
    shown = {docs / page for page in listed(nav)}
    assert shown == {page for page in documents if docs in page.parents}


def listed(nav: object) -> list[str]:
    """All pages of a navigation, whose sections are nested lists."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in listed(part)]  # type: ignore[attr-defined]


def test_readme_is_short(repository: Path) -> None:
    assert len((repository / "README.md").read_text().splitlines()) <= 150


def test_anchors_are_those_of_the_site() -> None:
    assert slug("14. Which training adds detail") == "14-which-training-adds-detail"
    assert slug("python -m stages.enhance") == "python-m-stagesenhance"
    assert slug("ΔE and `code`") == "e-and-code"
