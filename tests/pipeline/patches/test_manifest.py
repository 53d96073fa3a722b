"""The manifest: what is written is read back, in the same bytes, or not at all."""

import random

import pytest

from pipeline.errors import SourceError
from pipeline.patches.manifest import Photo, accepted, read_manifest, write_manifest

PHOTOS = [
    Photo(id="b" * 32, name="b.jpg", path="b.jpg", bytes=7, width=4, height=3, split="train", make="Ünïcode"),
    Photo(id="a" * 32, name="sub/a.jpg", bytes=0, reject_reason="empty file"),
]


def test_rows_come_back_sorted_by_id(tmp_path):
    write_manifest(tmp_path, PHOTOS)
    assert read_manifest(tmp_path) == PHOTOS[::-1]
    assert accepted(read_manifest(tmp_path)) == PHOTOS[:1]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    """Protects: DVC sees no change where there is none, in whatever order the threads finished."""
    contents = set()
    for seed in range(3):
        rows = random.Random(seed).sample(PHOTOS, len(PHOTOS))
        write_manifest(tmp_path, rows)
        contents.add((tmp_path / "manifest.parquet").read_bytes())
    assert len(contents) == 1


def test_no_rows_can_be_written(tmp_path):
    write_manifest(tmp_path, [])
    assert read_manifest(tmp_path) == []


def test_a_missing_or_damaged_manifest_says_what_to_do(tmp_path):
    with pytest.raises(SourceError, match=r"manifest.parquet is missing; `dvc repro`"):
        read_manifest(tmp_path)
    write_manifest(tmp_path, PHOTOS)
    whole = (tmp_path / "manifest.parquet").read_bytes()
    for damaged in (b"", whole[:-10], b"PAR1" * 8):
        (tmp_path / "manifest.parquet").write_bytes(damaged)
        with pytest.raises(SourceError, match=r"manifest.parquet is damaged .*; delete .* and run"):
            read_manifest(tmp_path)
