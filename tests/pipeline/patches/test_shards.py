"""What is written is read back, whole or not at all."""

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ShardError
from pipeline.patches import shards
from pipeline.patches.patches import Patches
from pipeline.patches.shards import Index, encode, pixels_nhwc, read_group, read_index
from tests.pipeline.patches.writing import write_shards

SETTINGS = Patches(size_px=20, per_photo=10)
PATCHES = np.random.default_rng(0).integers(0, 256, (150, 20, 20, 3), dtype=np.uint8)


def tables(start: int, end: int) -> list[pa.Table]:
    """In odd pieces, as they come from photos."""
    cuts = [*range(start, end, 37), end]
    return [encode(["p"] * (b - a), [(0, i) for i in range(a, b)], PATCHES[a:b]) for a, b in pairwise(cuts)]


@pytest.fixture
def index(tmp_path, monkeypatch) -> Index:
    monkeypatch.setattr(shards, "SHARD_BYTES", 64 * 20 * 20 * 3)  # one row group a shard: several shards
    return write_shards(tmp_path / "patches", SETTINGS, {"train": tables(0, 140), "test": tables(140, 150)})


def test_every_patch_comes_back_in_order(index: Index) -> None:
    groups = [(s.place(index.folder), g) for s in index.splits["train"] for g in range(len(s.groups))]
    assert len(index.splits["train"]) == 3
    read = np.concatenate([pixels_nhwc(read_group(*group), 20) for group in groups])
    assert np.array_equal(read, PATCHES[:140])
    assert index.rows("test") == 10


def test_reading_pixels_copies_nothing() -> None:
    table = encode(["p"] * 150, [(0, 0)] * 150, PATCHES)
    assert np.shares_memory(pixels_nhwc(table, 20), PATCHES)
    assert np.array_equal(pixels_nhwc(table.slice(7, 5), 20), PATCHES[7:12])


def test_settings_and_schema_stand_in_the_parquet_metadata(index: Index) -> None:
    kind = pq.read_schema(index.folder / index.splits["train"][0].file)
    assert b'"size_px": 20' in kind.metadata[b"wespe"]
    assert kind.field("pixels").type == pa.binary(20 * 20 * 3)


def test_the_digest_changes_with_any_pixel(tmp_path, index: Index) -> None:
    same = write_shards(tmp_path / "same", SETTINGS, {"train": tables(0, 140), "test": tables(140, 150)})
    other_patches = tables(0, 139) + tables(0, 1)
    other = write_shards(tmp_path / "other", SETTINGS, {"train": other_patches, "test": tables(140, 150)})
    assert same.digest == index.digest
    assert other.digest != index.digest


def test_a_truncated_shard_is_named_before_any_work(index: Index) -> None:
    path = index.folder / index.splits["train"][1].file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ShardError, match=r"train/00001\.parquet has \d+ of \d+ bytes; run `dvc repro`"):
        read_index(index.folder)


def test_a_damaged_shard_of_the_right_size_is_named_when_read(index: Index) -> None:
    path = index.folder / index.splits["train"][0].file
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(ShardError, match=r"00000\.parquet cannot be read: .*`dvc repro`"):
        read_group(str(path), 0)


def test_a_folder_without_an_index_is_rejected(tmp_path) -> None:
    with pytest.raises(ShardError, match=r"no valid index of patches .*dvc repro"):
        read_index(tmp_path)


@pytest.fixture
def paired(tmp_path) -> Index:
    """150 patches, each with its negative as truth."""
    table = encode(["p"] * 150, [(0, 0)] * 150, PATCHES, 255 - PATCHES)
    return write_shards(tmp_path / "paired", SETTINGS, {"train": [table], "test": []}, paired=True)


def test_every_patch_comes_back_with_its_truth(paired: Index) -> None:
    assert paired.paired
    place = paired.splits["train"][0].place(paired.folder)
    groups = [read_group(place, g, ("pixels", "truth")) for g in range(3)]
    assert np.array_equal(np.concatenate([pixels_nhwc(g, 20) for g in groups]), PATCHES)
    assert np.array_equal(np.concatenate([pixels_nhwc(g, 20, "truth") for g in groups]), 255 - PATCHES)


def test_readers_of_the_pixels_alone_never_read_the_truth(paired: Index) -> None:
    """Protects: the speed of unpaired methods on cameras that have truths."""
    path = paired.folder / "train/00000.parquet"
    content = bytearray(path.read_bytes())
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        truth = metadata.row_group(group).column(4)
        assert truth.path_in_schema == "truth"
        start = truth.data_page_offset
        content[start : start + truth.total_compressed_size] = bytes(truth.total_compressed_size)
    path.write_bytes(content)
    assert np.array_equal(pixels_nhwc(read_group(str(path), 0), 20), PATCHES[:64])
    with pytest.raises(ShardError, match="cannot be read"):
        read_group(str(path), 0, ("truth",))


def test_shards_without_truths_are_as_they_always_were(index: Index) -> None:
    """Protects: trained models; other bytes would retrain every camera."""
    assert not index.paired
    assert list(json.loads((index.folder / "index.json").read_bytes())) == ["format", "settings", "splits"]
    assert pq.read_schema(index.folder / "train/00000.parquet").names == ["photo_id", "y", "x", "pixels"]


def test_shards_with_truths_are_no_larger_than_those_without(tmp_path, monkeypatch) -> None:
    """Protects: memory, since a shard is gathered before it is written."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 128 * 20 * 20 * 3)
    table = encode(["p"] * 150, [(0, 0)] * 150, PATCHES, PATCHES)
    written = write_shards(tmp_path / "paired", SETTINGS, {"train": [table]}, paired=True)
    assert [shard.rows for shard in written.splits["train"]] == [64, 64, 22]
