"""What the ledger says was done was done, whoever wrote it; what a kill lost is merely done again."""

from pathlib import Path

import pytest

from pipeline.enhancement import ledger
from pipeline.enhancement.ledger import Entry, Ledger
from pipeline.enhancement.stores import FolderStore
from pipeline.errors import EnhancementError


def entry(photo: str, model_sha256: str = "m1", finished_at_s: float = 1.0) -> Entry:
    return Entry(
        photo=photo,
        source="in",
        source_version="1",
        content_sha256="c",
        model="m",
        model_sha256=model_sha256,
        settings="{}",
        status="done",
        finished_at_s=finished_at_s,
    )


def read(folder: Path) -> dict[str, Entry]:
    store = FolderStore(str(folder))
    return Ledger(store).read(stored.name for stored in store.listing())


def job(folder: Path, *entries: Entry) -> None:
    one = Ledger(FolderStore(str(folder)))
    for each in entries:
        one.append(each)
    one.flush()


def test_of_all_jobs_the_latest_entry_counts_whatever_their_order(tmp_path: Path) -> None:
    job(tmp_path, entry("a.jpg", "m2", finished_at_s=5), entry("é/b.jpg"))
    job(tmp_path, entry("a.jpg", "m1", finished_at_s=4), entry("c.jpg"))
    assert read(tmp_path) == {
        "a.jpg": entry("a.jpg", "m2", finished_at_s=5),
        "é/b.jpg": entry("é/b.jpg"),
        "c.jpg": entry("c.jpg"),
    }


def test_an_entry_is_safe_at_once_where_they_come_slowly(tmp_path: Path) -> None:
    """Protects: hours of work on large photos. Nothing is flushed here, as if the job had been killed."""
    one = Ledger(FolderStore(str(tmp_path)))
    one.append(entry("a.jpg"))
    assert read(tmp_path).keys() == {"a.jpg"}


def test_jobs_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path) -> None:
    first, second = Ledger(FolderStore(str(tmp_path))), Ledger(FolderStore(str(tmp_path)))
    for number in range(20):
        (first, second)[number % 2].append(entry(f"{number}.jpg"))
    first.flush(), second.flush()
    assert len(read(tmp_path)) == 20


def test_parts_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects: a job of a million photos, which must not write a million rows again and again."""
    monkeypatch.setattr(ledger, "ROWS_PER_PART", 10)
    job(tmp_path, *(entry(f"{number}.jpg") for number in range(25)))
    assert len(list((tmp_path / ledger.FOLDER).iterdir())) == 3
    assert len(read(tmp_path)) == 25


@pytest.mark.parametrize("place", [-20, -200, 40])  # cut off, a damaged footer, a damaged page
def test_a_damaged_part_is_named(tmp_path: Path, place: int) -> None:
    job(tmp_path, entry("a.jpg"))
    [part] = (tmp_path / ledger.FOLDER).iterdir()
    whole = part.read_bytes()
    rest = b"" if place == -20 else bytes(b ^ 0xFF for b in whole[place:][:30]) + whole[place:][30:]
    part.write_bytes(whole[:place] + rest)
    with pytest.raises(EnhancementError, match=rf"{part.name} is damaged; delete it"):
        read(tmp_path)
