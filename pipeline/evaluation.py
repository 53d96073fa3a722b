"""Score a camera's model on its test photos, beside the untouched photo and the histogram match."""

import json
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.checkpoints import load_model
from pipeline.data.images import read_photo
from pipeline.data.manifest import Photo, accepted, read_manifest
from pipeline.errors import PhotoError, PipelineError
from pipeline.files import write_atomically
from pipeline.layout import CameraPaths, photo_set
from pipeline.logs import Progress
from pipeline.report import Cell, cell, draw_pair, draw_sheet
from pipeline.scores import COLOUR_DISTANCE, VARIANTS, Score, Summary, summarise, write_scores
from pipeline.seeds import seed_of
from wespe.histogram_match import HistogramMatch
from wespe.metrics import full_reference, no_reference
from wespe.metrics.set_distance import sample_colours, sliced_wasserstein

NO_REFERENCE = ("entropy", "png_bpp", "noise", "colourfulness")
# Photos come in the order of their ids, which are hashes: the first ones are a random draw of the set.
SET_PHOTOS = 200
SHOWN_PHOTOS = 6
SHEET = "before_after"

Enhance = Callable[[np.ndarray], np.ndarray]


def evaluate_camera(camera: str, target: str) -> Summary:
    """Score, draw and write the report of one camera. Memory is bounded by one photo.

    Raises: PipelineError when there is nothing to judge on; PhotoError, CheckpointError.
    """
    paths, photos = CameraPaths(camera=camera), photo_set(f"cameras.{camera}").photos
    tests = [photo for photo in accepted(read_manifest(photos)) if photo.split == "test"]
    if not tests:
        raise PipelineError(
            f"camera {camera}: no photo of {photos} is in the test split; add photos or raise its test share"
        )
    model = load_model(paths.model, "cuda" if torch.cuda.is_available() else "cpu")
    progress = Progress(f"evaluate {camera}", len(tests), "photos")
    enhancers: dict[str, Enhance] = {
        "untouched": lambda photo_hwc: photo_hwc,
        "histogram_match": _fit_histogram_match(camera, target).enhance,
        "enhanced": model.enhance,
    }
    evaluation = Evaluation(enhancers, photos)
    for photo in tests:
        evaluation.add(photo)
        progress.update()
    scores = evaluation.scores + evaluation.distances(_target_colours(target))
    return write_report(paths, scores, {SHEET: draw_sheet(evaluation.rows), **evaluation.pairs})


class Evaluation:
    """Goes through test photos one at a time and keeps their scores, colours and small pictures."""

    def __init__(self, enhancers: dict[str, Enhance], photos: Path):
        self.enhancers, self.photos = enhancers, photos
        self.scores: list[Score] = []
        self.rows: dict[str, dict[str, Cell]] = {}
        self.pairs: dict[str, Image.Image] = {}
        self._colours: dict[str, list[np.ndarray]] = {variant: [] for variant in VARIANTS}

    def add(self, photo: Photo) -> None:
        """Score every variant of a photo and draw the first few photos."""
        original = read_photo(self.photos / photo.path)
        truth = self._truth(photo, original)
        row: dict[str, Cell] = {}
        for variant, enhance in self.enhancers.items():
            result = enhance(original)
            values = score_photo(result, truth)
            self.scores += [
                Score(photo_id=photo.id, name=photo.name, variant=variant, metric=metric, value=value)
                for metric, value in values.items()
            ]
            self._colours[variant].append(sample_colours(result, seed_of("colours", photo.id)))
            row[variant] = cell(result, f"PSNR {values['psnr']:.2f} dB" if "psnr" in values else "")
        if len(self.rows) < SHOWN_PHOTOS:
            # `result` is the last variant's: the enhanced photo.
            self._draw(photo, row | ({} if truth is None else {"truth": cell(truth, "")}), original, result)

    def distances(self, target_colours: np.ndarray) -> list[Score]:
        """Score each variant's photos as a set by how far their colours are from the target's."""
        return [
            Score(photo_id="", name="", variant=variant, metric=COLOUR_DISTANCE, value=distance)
            for variant, colours in self._colours.items()
            for distance in [sliced_wasserstein(np.concatenate(colours), target_colours)]
        ]

    def _truth(self, photo: Photo, original: np.ndarray) -> np.ndarray | None:
        """Return what the variants are compared with; nothing for a degenerate pair."""
        if not photo.truth_path:
            return None
        truth = read_photo(self.photos / photo.truth_path)
        if truth.shape[:2] != (photo.height, photo.width):
            raise PhotoError(
                f"{self.photos / photo.truth_path} is {truth.shape[1]}x{truth.shape[0]} px, but its photo "
                f"{photo.name} {photo.width}x{photo.height}; a truth must have its photo's size"
            )
        return None if full_reference.is_degenerate(original, truth) else truth

    def _draw(self, photo: Photo, row: dict[str, Cell], before: np.ndarray, after: np.ndarray) -> None:
        self.rows[f"{photo.name}  {photo.width}x{photo.height} px, and its middle at 1:1"] = row
        self.pairs[f"{Path(photo.name).stem}-{photo.id[:8]}"] = draw_pair(before, after)


def score_photo(photo_hwc: np.ndarray, truth_hwc: np.ndarray | None) -> dict[str, float]:
    """Return every score that exists for this photo, by name.

    A photo too small for `ms_ssim` has `ms_ssim_dped` instead.
    """
    scores = {name: getattr(no_reference, name)(photo_hwc) for name in NO_REFERENCE}
    if truth_hwc is None:
        return scores
    small = min(photo_hwc.shape[:2]) < full_reference.MS_SSIM_MIN_PX
    names = ("psnr", "ssim", "ms_ssim_dped" if small else "ms_ssim")
    return {name: getattr(full_reference, name)(photo_hwc, truth_hwc) for name in names} | scores


def _fit_histogram_match(camera: str, target: str) -> HistogramMatch:
    return HistogramMatch.fit(_photos(f"cameras.{camera}", "train"), _photos(f"targets.{target}", "train"))


def _target_colours(target: str) -> np.ndarray:
    return np.concatenate([sample_colours(photo_hwc) for photo_hwc in _photos(f"targets.{target}")])


def _photos(address: str, split: str | None = None) -> Iterator[np.ndarray]:
    folder = photo_set(address).photos
    chosen = [p for p in accepted(read_manifest(folder)) if split in (None, p.split)]
    if not chosen:
        raise PipelineError(f"{address}: no photo of {folder} is {split or 'usable'}; add some")
    return (read_photo(folder / photo.path) for photo in chosen[:SET_PHOTOS])


def write_report(paths: CameraPaths, scores: list[Score], pictures: dict[str, Image.Image]) -> Summary:
    """Write scores, pictures, intervals, and last the means that DVC shows; older ones go."""
    summary = summarise(scores)
    for folder in (paths.metrics, paths.pictures):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    write_scores(paths.scores, scores)
    for name, picture in pictures.items():
        _write_png(paths.pictures / f"{name}.png", picture)
    _write_json(paths.intervals, summary)
    for variant in VARIANTS:
        means = {metric: round(interval["mean"], 4) for metric, interval in summary[variant].items()}
        _write_json(paths.metrics / f"{variant}.json", means)
    return summary


def _write_json(path: Path, content: object) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n")


def _write_png(path: Path, picture: Image.Image) -> None:
    file = BytesIO()
    picture.save(file, format="PNG")
    write_atomically(path, file.getvalue())
