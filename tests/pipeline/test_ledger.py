"""What the ledger says was done was done; what a kill tore is merely done again."""

from pathlib import Path

import pytest

from pipeline.ledger import Entry, Ledger


def entry(photo: str, model_sha256: str = "m1") -> Entry:
    return Entry(photo=photo, content_sha256="c", model_sha256=model_sha256, status="done")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "enhanced.jsonl"


def test_entries_survive_and_the_last_line_counts(path: Path) -> None:
    for line in (entry("a.jpg"), entry("é/b.jpg"), entry("a.jpg", "m2")):
        Ledger(path).append(line)

    assert Ledger(path).get("a.jpg") == entry("a.jpg", "m2")
    assert Ledger(path).get("é/b.jpg") == entry("é/b.jpg")
    assert Ledger(path).get("c.jpg") is None


def test_lines_of_earlier_versions_are_read_as_of_unknown_settings(path: Path) -> None:
    path.write_text('{"photo": "a.jpg", "content_sha256": "c", "model_sha256": "m1", "status": "done"}\n')
    assert Ledger(path).get("a.jpg") == entry("a.jpg")
    assert Ledger(path).get("a.jpg").settings == ""


@pytest.mark.parametrize("torn_bytes", [1, 20, 80])
def test_a_torn_line_is_forgotten_and_does_not_spoil_the_next(path: Path, torn_bytes: int) -> None:
    for photo in ("a.jpg", "b.jpg"):
        Ledger(path).append(entry(photo))
    path.write_bytes(path.read_bytes()[:-torn_bytes])

    Ledger(path).append(entry("c.jpg"))

    assert Ledger(path).get("a.jpg") == entry("a.jpg")
    assert Ledger(path).get("b.jpg") == (entry("b.jpg") if torn_bytes == 1 else None)
    assert Ledger(path).get("c.jpg") == entry("c.jpg")
