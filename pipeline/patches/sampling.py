"""Samples of patches from the photos of a set, without reading all of its patches.

Up to MOST_GROUPS row groups are read, at regular intervals: all photos of small sets, some of large ones.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pipeline.patches.groups import Groups
from wespe.sample import Sample

MOST_WHOLE = 1024  # 113 MB
MOST_GROUPS = 512  # about 1 GB of shards; a group mostly holds one or two photos


def draw_samples(
    groups: Sequence[Groups],
    most: int,
    device: torch.device | str = "cpu",
    *,
    whole: Sequence[Groups] = (),
) -> tuple[Sample, Sample]:
    """Return at most `most` patches of the source and of the target.

    groups: those of both sets, or one of pairs, whose two pictures are the source and the target.
    whole: reduced whole photos of both sets, for methods that need them; at most MOST_WHOLE are taken.
    Raises ShardError.
    """
    samples = [sample for one in groups for sample in _draw(one, most, device)]
    if whole:
        photos = [sample for one in whole for sample in _draw(one, MOST_WHOLE, device)]
        samples = [
            replace(sample, whole_nhwc=one.patches_nhwc) for sample, one in zip(samples, photos, strict=True)
        ]
    source, target = samples
    return source, target


def _draw(groups: Groups, most: int, device: torch.device | str) -> list[Sample]:
    """Take patches at regular intervals from groups at regular intervals, then shuffle them."""
    chosen = _evenly(len(groups.rows), min(MOST_GROUPS, most))
    ends = np.cumsum([groups.rows[group] for group in chosen])
    wanted = _evenly(ends[-1], most)  # of the rows of all chosen groups
    pictures: list[list[np.ndarray]] = [[] for _ in range(groups.columns)]
    ids: list[str] = []
    for group, end in zip(chosen, ends, strict=True):
        start = end - groups.rows[group]
        rows = wanted[(wanted >= start) & (wanted < end)] - start
        for column, patches_nhwc in zip(pictures, groups.read(group), strict=True):
            column.append(patches_nhwc[rows])
        photos = groups.photos(group)
        ids += [photos[row] for row in rows]
    order = np.random.default_rng(0).permutation(len(ids))
    numbers = torch.from_numpy(np.unique(ids, return_inverse=True)[1][order])
    return [Sample(torch.from_numpy(np.concatenate(column)[order]), numbers, device) for column in pictures]


def _evenly(total: int, most: int) -> np.ndarray:
    """Return at most `most` of the numbers 0 … total − 1, at regular intervals."""
    count = min(total, most)
    return ((np.arange(count) + 0.5) * total / count).astype(int)
