"""Cuts photos into patches in Parquet shards, and reduces whole ones, with Ray Data and a task per shard.

A task reads the photos of its shard once, and writes two: one of their patches, and one of the photos that
begin in it, reduced. Pixels never pass through the driver.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data.exceptions import UserCodeException

from pipeline import cluster, layout
from pipeline.errors import PhotoError, ShardError
from pipeline.logs import Progress
from pipeline.patches import shards
from pipeline.patches.manifest import Photo, accepted, read_manifest
from pipeline.patches.patches import Patches, cut, positions, reduced
from pipeline.patches.plans import SPLITS, Part, Plan, shard_plans
from pipeline.patches.settings import WHOLE_PX
from pipeline.photos.images import read_photo

# A folder of phone photos may contain a few screenshots; a larger share indicates a wrong setting.
MAX_TOO_SMALL_SHARE = 0.05
WHOLE_PHOTO = Patches(size_px=WHOLE_PX, per_photo=1)


@dataclass(frozen=True)
class Written:
    """The shards of one plan; None if no photo begins in it."""

    patches: shards.Shard
    whole: shards.Shard | None


def patchify(address: str, patches: Patches) -> shards.Index:
    """Cut the photos of `cameras.x` or `targets.x` into its patches folder. Raises ShardError, StoreError.

    Photos are processed in the order of their ids, so that the bytes do not depend on the number of workers.
    Memory depends on the shards being written, not on their number. If all photos have truths, patches have
    truths as well. Each photo, and its truth, is also stored whole, reduced to a square.
    """
    paths = layout.photo_set(address)
    photos = _large_enough(address, accepted(read_manifest(paths.photos)), patches)
    paired = all(photo.truth_path for photo in photos)
    part = paths.patches.with_name(f".{paths.patches.name}.part").resolve()
    shutil.rmtree(part, ignore_errors=True)
    try:
        plans = shard_plans(photos, paths.photos, part, patches, paired=paired)
        written = _written(plans, address, f"patchify {paths.name}")
        splits: dict[str, list[shards.Shard]] = {split: [] for split in SPLITS}
        whole: dict[str, list[shards.Shard]] = {split: [] for split in SPLITS}
        for plan, both in zip(plans, written, strict=True):
            splits[plan.split].append(both.patches)
            whole[plan.split] += filter(None, [both.whole])
        shards.write_index(part, patches, splits, paired=paired)
        shards.write_index(part / shards.WHOLE, WHOLE_PHOTO, whole, paired=paired)
        shutil.rmtree(paths.patches, ignore_errors=True)
        part.rename(paths.patches)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    index = shards.read_index(paths.patches)
    counts = ", ".join(f"{index.rows(split)} {split}" for split in SPLITS)
    print(
        f"patchify {paths.name}: {counts} patches of {patches.size_px} px from {len(photos)} photos"
        + (", each with its truth" if paired else ""),
        flush=True,
    )
    return index


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


def _written(plans: list[Plan], address: str, title: str) -> list[Written]:
    """Write all shards on the workers; return them in the order of the plans. Raises ShardError."""
    progress = Progress(title, len(plans), "shards")
    rows = [{"number": number, "plan": plan} for number, plan in enumerate(plans)]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), 1000)).map(_write)
    dataset.context.execution_options.resource_limits = cluster.data_limits()
    written: dict[int, Written] = {}
    try:
        for row in dataset.iter_rows():
            written[row["number"]] = row["written"]
            progress.update()
    except (ray.exceptions.RayError, UserCodeException) as error:
        raise ShardError(f"{address}: {cluster.root_cause(error)}") from None
    return [written[number] for number in range(len(plans))]


def _write(row: dict[str, Any]) -> dict[str, Any]:
    plan: Plan = row["plan"]
    patches, whole = [], []
    for part in plan.parts:
        pictures = _pictures(part)
        places = positions(plan.settings, part.photo_id, part.width, part.height)[part.start : part.end]
        cuts = [cut(photo_hwc, places, plan.settings.size_px) for photo_hwc in pictures]
        patches.append(shards.encode([part.photo_id] * len(places), places, *cuts))
        if part.start == 0:
            squares = [reduced(photo_hwc)[None] for photo_hwc in pictures]
            whole.append(shards.encode([part.photo_id], [(0, 0)], *squares))
    written = Written(
        _shard(plan.folder, plan, plan.settings, patches),
        _shard(plan.folder / shards.WHOLE, plan, WHOLE_PHOTO, whole) if whole else None,
    )
    return {"number": row["number"], "written": written}


def _shard(folder: Path, plan: Plan, settings: Patches, tables: list[pa.Table]) -> shards.Shard:
    return shards.write_shard(folder, plan.file, settings, pa.concat_tables(tables))


def _pictures(part: Part) -> list[np.ndarray]:
    """Read the photo and its truth. Raises ShardError if one cannot be read, or their sizes differ."""
    try:
        pictures = [read_photo(place) for place in part.places]
    except PhotoError as error:
        raise ShardError(f"{error}; fetch the photos again") from None
    for place, photo_hwc in zip(part.places, pictures, strict=True):
        height, width, _ = photo_hwc.shape
        if (width, height) != (part.width, part.height):
            raise ShardError(
                f"{place} is {width}×{height} px, but its photo is {part.width}×{part.height} px;"
                " fetch the photos again"
            )
    return pictures
