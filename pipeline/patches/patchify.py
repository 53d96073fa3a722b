"""Cuts photos into patches in Parquet shards, and reduces whole ones, with Ray Data and a task per photo."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
from ray.data.exceptions import UserCodeException

from pipeline import cluster, layout
from pipeline.errors import ShardError
from pipeline.logs import Progress
from pipeline.patches import shards
from pipeline.patches.manifest import Photo, accepted, read_manifest
from pipeline.patches.patches import Patches, cut, positions, reduced
from pipeline.patches.settings import WHOLE_PX
from pipeline.photos.images import read_photo

SPLITS = ("train", "validation", "test")
# A folder of phone photos may contain a few screenshots; a larger share indicates a wrong setting.
MAX_TOO_SMALL_SHARE = 0.05
WHOLE = Patches(size_px=WHOLE_PX, per_photo=1)
WHOLE_MEGAPIXELS = 16 * WHOLE_PX**2 / 1e6  # decoding a JPEG to this size is fast
PATCHES_AT_ONCE = 256  # all patches of a fine grid over a large photo may not fit in memory


def patchify(address: str, patches: Patches) -> shards.Index:
    """Cut the photos of `cameras.x` or `targets.x` into its patches folder. Raises ShardError, PhotoError.

    Photos are processed in the order of their ids, so that the bytes do not depend on the number of workers.
    Memory depends on the photos being processed, not on their total number. If all photos have truths,
    patches have truths as well. Each photo, and its truth, is also stored whole, reduced to a square.
    """
    paths = layout.photo_set(address)
    photos = _large_enough(address, accepted(read_manifest(paths.photos)), patches)
    paired = all(photo.truth_path for photo in photos)
    part = paths.patches.with_name(f".{paths.patches.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        cut_photo = partial(_cut_photo, patches=patches, paired=paired)
        tables = _tables(
            photos, paths.photos, cut_photo, Progress(f"patchify {paths.name}", len(photos), "photos")
        )
        reduce_photo = partial(_reduce_photo, paired=paired)
        whole = _tables(
            photos, paths.photos, reduce_photo, Progress(f"reduce {paths.name}", len(photos), "photos")
        )
        try:
            index = shards.write_shards(part, patches, tables, paired=paired)
            shards.write_shards(part / shards.WHOLE, WHOLE, whole, paired=paired)
        except (ray.exceptions.RayError, UserCodeException) as error:
            raise ShardError(f"{address}: {cluster.root_cause(error)}; fetch the photos again") from None
        shutil.rmtree(paths.patches, ignore_errors=True)
        part.rename(paths.patches)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    counts = ", ".join(f"{index.rows(split)} {split}" for split in SPLITS)
    print(
        f"patchify {paths.name}: {counts} patches of {patches.size_px} px from {len(photos)} photos"
        + (", each with its truth" if paired else ""),
        flush=True,
    )
    return shards.read_index(paths.patches)


def _large_enough(address: str, photos: list[Photo], patches: Patches) -> list[Photo]:
    kept = [p for p in photos if min(p.width, p.height) >= patches.size_px]
    small = [p for p in photos if min(p.width, p.height) < patches.size_px]
    if not kept or len(small) > MAX_TOO_SMALL_SHARE * len(photos):
        example = f", such as {small[0].name} ({small[0].width}×{small[0].height})" if small else ""
        raise ShardError(
            f"{address}: {len(small)} of {len(photos)} photos are smaller than a patch of "
            f"{patches.size_px} px{example}; lower {address}.patches.size_px or remove these photos"
        )
    if small:
        print(f"patchify {address}: left out {len(small)} photos smaller than {patches.size_px} px")
    return kept


def _tables(
    photos: list[Photo], folder: Path, work: Callable[..., Iterator[pa.Table]], progress: Progress
) -> dict[str, Iterator[pa.Table]]:
    """Return the tables of each split. work: makes those of one photo."""
    return {
        split: _worked([photo for photo in photos if photo.split == split], folder, work, progress)
        for split in SPLITS
    }


def _worked(
    photos: list[Photo], folder: Path, work: Callable[..., Iterator[pa.Table]], progress: Progress
) -> Iterator[pa.Table]:
    if not photos:
        return
    rows = [
        {
            "id": p.id,
            "path": str((folder / p.path).resolve()),
            "truth_path": str((folder / p.truth_path).resolve()),
            "width": p.width,
            "height": p.height,
        }
        for p in photos
        if p.path
    ]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), 1000)).map_batches(
        work,  # type: ignore[arg-type]
        batch_size=1,
        zero_copy_batch=True,
    )
    dataset.context.execution_options.preserve_order = True
    dataset.context.execution_options.resource_limits = cluster.data_limits()
    seen = ""
    table: pa.Table
    for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):  # type: ignore[assignment]
        yield table
        for photo_id in table["photo_id"].unique().to_pylist():
            progress.update(photo_id != seen)
            seen = photo_id


def _cut_photo(batch: dict[str, np.ndarray], patches: Patches, paired: bool) -> Iterator[pa.Table]:
    photo_id = str(batch["id"][0])
    places = positions(patches, photo_id, int(batch["width"][0]), int(batch["height"][0]))
    photo = read_photo(str(batch["path"][0]))
    truth = _read_truth(str(batch["truth_path"][0]), photo) if paired else None
    for start in range(0, len(places), PATCHES_AT_ONCE):
        some = places[start : start + PATCHES_AT_ONCE]
        truths = None if truth is None else cut(truth, some, patches.size_px)
        yield shards.encode([photo_id] * len(some), some, cut(photo, some, patches.size_px), truths)


def _reduce_photo(batch: dict[str, np.ndarray], paired: bool) -> Iterator[pa.Table]:
    pictures = [
        reduced(read_photo(str(batch[column][0]), WHOLE_MEGAPIXELS))[None]
        for column in (("path", "truth_path") if paired else ("path",))
    ]
    yield shards.encode([str(batch["id"][0])], [(0, 0)], *pictures)


def _read_truth(path: str, photo_hwc: np.ndarray) -> np.ndarray:
    truth_hwc = read_photo(path)
    if truth_hwc.shape != photo_hwc.shape:
        height, width, _ = truth_hwc.shape
        photo_height, photo_width, _ = photo_hwc.shape
        raise ShardError(f"{path} is {width}×{height} px, but its photo is {photo_width}×{photo_height} px")
    return truth_hwc
