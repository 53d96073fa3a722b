"""The streams: endless, shuffled, seeded, unpaired, and able to start anywhere."""

import math
import threading
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ShardError
from pipeline.patches import shards, stream
from pipeline.patches.dataset import batches, dataset
from pipeline.patches.groups import ArrayGroups
from pipeline.patches.patches import Patches
from pipeline.patches.shards import encode
from pipeline.patches.stream import Stream, stream_of
from pipeline.seeds import seed_of
from tests.pipeline.patches.writing import write_shards

SIZE = 20


def write(folder: Path, count: int) -> shards.Index:
    """Patches that carry their own number in every pixel's red and green."""
    numbers = np.arange(count)
    patches = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    patches[..., 0], patches[..., 1] = (numbers // 256)[:, None, None], (numbers % 256)[:, None, None]
    patches[:, 0, 0, 2] = 255  # a corner, to see flips and turns by
    table = encode(["p"] * count, [(0, 0)] * count, patches)
    return write_shards(folder, Patches(size_px=SIZE, per_photo=1), {"train": [table]})


@pytest.fixture
def pairs(tmp_path: Path) -> Stream:
    """Patches of noise, each with its negative as truth: no two are alike, and none is its own mirror."""
    patches = np.random.default_rng(0).integers(0, 256, (48 * 64, SIZE, SIZE, 3), np.uint8)
    table = encode(["p"] * len(patches), [(0, 0)] * len(patches), patches, 255 - patches)
    settings = Patches(size_px=SIZE, per_photo=1)
    index = write_shards(tmp_path / "pairs", settings, {"train": [table]}, paired=True)
    return stream_of(index, "train", name="pairs", seed=1, paired=True)


def numbers_of(patches_nhwc: np.ndarray) -> list[int]:
    return (patches_nhwc[:, 1, 1, 0].astype(int) * 256 + patches_nhwc[:, 1, 1, 1]).tolist()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stream:
    monkeypatch.setattr(shards, "SHARD_BYTES", 3 * shards.GROUP_ROWS * SIZE * SIZE * 3)
    return stream_of(write(tmp_path / "source", 1000), "train", name="source", seed=1)


def read(one: Stream, first_row: int, count: int, workers: int = 1) -> list[int]:
    rows = dataset(one, first_row=first_row, rows=count, workers=workers)
    rows.context.execution_options.preserve_order = True
    found: list[int] = []
    for (batch,) in batches(rows.iterator(), batch_size=50, size_px=SIZE):
        found += numbers_of(batch.numpy())
    return found[:count]


@pytest.mark.usefixtures("ray_session")
def test_the_same_seed_gives_the_same_order_and_another_seed_another(source: Stream) -> None:
    other = Stream(**{**vars(source), "seed": 2})
    assert read(source, 0, 500) == read(source, 0, 500)
    assert read(source, 0, 500) != read(other, 0, 500)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("first_row", [1, 999, 2048, 5000])
def test_a_stream_resumes_at_any_row(source: Stream, first_row: int) -> None:
    whole = read(source, 0, first_row + 300)
    assert read(source, first_row, 300) == whole[first_row:]


@pytest.mark.usefixtures("ray_session")
def test_a_stream_is_longer_than_its_set_and_favours_no_patch(source: Stream) -> None:
    """Row groups named twice are read twice, and every epoch gives each patch once."""
    counts = Counter(read(source, 0, 4 * 1000))
    assert len(counts) == 1000
    assert max(counts.values()) <= 8  # 4 on average; windows reach across epochs


@pytest.mark.usefixtures("ray_session")
def test_two_workers_get_enough_and_share_nothing_in_an_epoch(source: Stream) -> None:
    rows = dataset(source, first_row=0, rows=2000, workers=2)
    shares = rows.streaming_split(2, equal=True)
    found: list[list[int]] = [[], []]

    def take(rank: int) -> None:
        for (batch,) in batches(shares[rank], batch_size=50, size_px=SIZE):
            found[rank] += numbers_of(batch.numpy())

    threads = [threading.Thread(target=take, args=(rank,)) for rank in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert min(map(len, found)) >= 1000


def test_source_and_target_are_shuffled_independently(tmp_path: Path, source: Stream) -> None:
    """Sets of one length, order and seed are still not paired."""
    target = stream_of(write(tmp_path / "target", 1000), "train", name="target", seed=1)
    pairs = zip(*(numbers_of(one.read(0)[0]) for one in (source, target)), strict=False)
    met = sum(a == b for a, b in pairs)
    assert met <= 12  # by chance 2 of 2,000 meet; 12 has odds of one in a million


@pytest.mark.parametrize("first_row", [0, 999, 5000])
@pytest.mark.parametrize("stored", ["source", "pairs"])
def test_arrays_and_shards_of_the_same_patches_give_one_stream(
    request: pytest.FixtureRequest, stored: str, first_row: int
) -> None:
    """Protects: comparisons in memory use the same batches as cameras' training."""
    shards_stream: Stream = request.getfixturevalue(stored)
    groups = shards_stream.groups
    read_groups = [groups.read(group) for group in range(len(groups.rows))]
    arrays = ArrayGroups(*map(np.concatenate, zip(*read_groups, strict=True)))
    memory = Stream(name=shards_stream.name, seed=shards_stream.seed, groups=arrays)
    assert list(arrays.rows) == list(groups.rows)
    both = (islice(stream.batches(first_row, 30), 100) for stream in (memory, shards_stream))
    for ours, theirs in zip(*both, strict=True):
        assert len(ours) == len(theirs) == groups.columns
        assert all(map(np.array_equal, ours, theirs))


@pytest.mark.usefixtures("ray_session")
def test_a_dataset_and_this_process_read_one_stream(source: Stream) -> None:
    in_process = [number for one in islice(source.batches(700, 50), 60) for number in numbers_of(one[0])]
    assert read(source, 700, 3000) == in_process


def test_neighbours_in_the_file_are_not_neighbours_in_the_stream(source: Stream) -> None:
    numbers = np.array(numbers_of(source.read(0)[0]))
    assert np.mean(np.abs(np.diff(numbers)) < 20) < 0.1


def test_patches_are_transformed_by_all_eight_symmetries() -> None:
    patch = np.arange(4).reshape(2, 2, 1)
    turned = {tuple(stream._transform(patch, turn).ravel()) for turn in range(8)}
    assert len(turned) == 8


def test_a_windows_order_and_symmetries_depend_on_its_seed(source: Stream) -> None:
    """Protects: reruns, bit for bit, whatever is done for speed."""
    patches = np.concatenate([source.groups.read(group)[0] for group in source.window_groups(3)])
    rng = np.random.default_rng(seed_of(1, "source", "window", 3))
    order, turns = rng.permutation(len(patches)), rng.integers(0, 8, len(patches))
    expected = np.stack(
        [stream._transform(patches[row], turn) for row, turn in zip(order, turns, strict=True)]
    )
    assert np.array_equal(source.read(3)[0], expected)


def test_all_corners_are_transformed(source: Stream) -> None:
    patches = source.read(0)[0][..., 2]
    corners = [patches[:, y, x].mean() / 255 for y in (0, -1) for x in (0, -1)]
    assert all(math.isclose(share, 0.25, abs_tol=0.06) for share in corners)


def test_a_set_without_patches_to_learn_from_is_an_error(tmp_path: Path) -> None:
    index = write(tmp_path / "source", 10)
    with pytest.raises(ShardError, match="has no test patches"):
        stream_of(index, "test", name="source", seed=1)


def test_patch_and_truth_are_shuffled_and_transformed_alike(pairs: Stream) -> None:
    """Protects: supervised training, which would learn a blur from pairs that do not match."""
    patches, truths = pairs.read(0)
    assert len(np.unique(patches.reshape(len(patches), -1), axis=0)) == len(patches) == 1024
    assert np.array_equal(truths, 255 - patches)


@pytest.mark.usefixtures("ray_session")
def test_two_workers_share_pairs_not_halves_of_them(pairs: Stream) -> None:
    shares = dataset(pairs, first_row=700, rows=2000, workers=2).streaming_split(2, equal=True)
    matched: list[list[bool]] = [[], []]

    def take(rank: int) -> None:
        for patches, truths in batches(shares[rank], batch_size=50, size_px=SIZE):
            matched[rank].append(bool((truths == 255 - patches).all()))

    threads = [threading.Thread(target=take, args=(rank,)) for rank in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(len(one) >= 1000 / 50 and all(one) for one in matched)


def test_pairs_of_a_set_without_truths_are_refused_with_a_remedy(tmp_path: Path) -> None:
    index = write(tmp_path / "source", 10)
    with pytest.raises(ShardError, match=r"patches without truths.*`truth` or `simulated_camera`"):
        stream_of(index, "train", name="pairs", seed=1, paired=True)
