"""A sample has patches of every photo, the same from shards and from memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ShardError
from pipeline.patches.groups import ArrayGroups, ShardGroups
from pipeline.patches.patches import Patches
from pipeline.patches.sampling import draw_samples
from pipeline.patches.shards import encode
from tests.pipeline.patches.writing import write_shards

SIZE, PHOTOS, EACH = 20, 30, 20


def patches() -> tuple[np.ndarray, list[str]]:
    """Every patch shows the number of its photo."""
    names = [f"photo-{number:02}" for number in range(PHOTOS) for _ in range(EACH)]
    values = np.repeat(np.arange(PHOTOS, dtype=np.uint8), EACH)
    return np.broadcast_to(values[:, None, None, None], (len(values), SIZE, SIZE, 3)).copy(), names


def test_shards_and_memory_give_the_same_sample(tmp_path: Path) -> None:
    pixels, names = patches()
    table = encode(names, [(0, 0)] * len(names), pixels)
    index = write_shards(tmp_path, Patches(size_px=SIZE, per_photo=EACH), {"train": [table]})
    from_shards, _ = draw_samples([ShardGroups.of(index, "train")] * 2, 100)
    in_memory, _ = draw_samples([ArrayGroups(pixels, photos=names)] * 2, 100)
    assert torch.equal(from_shards.patches_nhwc, in_memory.patches_nhwc)
    assert torch.equal(from_shards.photos, in_memory.photos)


@pytest.mark.parametrize("most", [40, 100, 10_000])
def test_a_sample_covers_the_photos_evenly(most: int) -> None:
    pixels, names = patches()
    sample, _ = draw_samples([ArrayGroups(pixels, photos=names)] * 2, most)
    assert len(sample.patches_nhwc) == min(most, len(names))
    counts = torch.bincount(sample.patches_nhwc[:, 0, 0, 0].long(), minlength=PHOTOS)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    shown = sample.patches_nhwc[:, 0, 0, 0].long()
    assert all(len(shown[sample.photos == photo].unique()) == 1 for photo in range(PHOTOS))
    assert (shown.diff() < 0).any(), "in random order, so that the first patches are of many photos"


def test_pairs_give_a_sample_of_each_side() -> None:
    pixels, names = patches()
    source, target = draw_samples([ArrayGroups(pixels, 255 - pixels, photos=names)], 50)
    assert torch.equal(target.patches_nhwc, 255 - source.patches_nhwc)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    pixels, names = patches()
    table = encode(names, [(0, 0)] * len(names), pixels)
    index = write_shards(tmp_path, Patches(size_px=SIZE, per_photo=EACH), {"train": [table]})
    groups = ShardGroups.of(index, "train")
    (tmp_path / "train/00000.parquet").write_bytes(b"broken")
    with pytest.raises(ShardError, match=r"00000\.parquet cannot be read"):
        draw_samples([groups] * 2, 100)
