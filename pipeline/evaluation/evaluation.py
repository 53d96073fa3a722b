"""Scores a camera's model on its test photos, compared with the untouched photo and the baselines."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.errors import PhotoError, PipelineError
from pipeline.evaluation.contact_sheet import Cell, cell, draw_pair, draw_sheet
from pipeline.evaluation.learned_scores import load_learned_scores
from pipeline.evaluation.photo_scores import Enhance, LearnedScores, check_photo, score_photo
from pipeline.evaluation.scores import Score, Summary, summarise, write_scores
from pipeline.evaluation.set_features import MAX_PHOTOS, SetFeatures, set_scores
from pipeline.evaluation.settings import LearnedScoreFiles
from pipeline.evaluation.shown_photos import ShownPhotos
from pipeline.evaluation.variants import VARIANTS
from pipeline.files import write_atomically
from pipeline.layout import CameraPaths, photo_set
from pipeline.logs import Progress
from pipeline.models.model_folder import load_model, load_start
from pipeline.patches.manifest import Photo, accepted, read_manifest
from pipeline.photos.images import read_photo
from pipeline.store import photo_place
from wespe.auto_enhance import auto_enhance
from wespe.histogram_match import HistogramMatch
from wespe.metrics.full_reference import is_degenerate
from wespe.metrics.table import METRICS

SHEET_PHOTOS = 6
PNG_LEVEL = 3  # compression level: a third of the default's time, for 5 % larger files
SHEET = "before_after"
COLUMNS = ("untouched", "histogram_match", "enhanced")  # on the sheet


def evaluate_camera(camera: str, target: str, files: LearnedScoreFiles | None = None) -> Summary:
    """Score and draw a camera's test photos, and write the results. Only one photo is in memory at a time.

    files: weights of learned scores, if any.
    Raises: PipelineError if there is no test photo; PhotoError, CheckpointError.
    """
    paths, photos = CameraPaths(camera=camera), photo_set(f"cameras.{camera}").photos
    tests = [photo for photo in accepted(read_manifest(photos)) if photo.split == "test"]
    if not tests:
        raise PipelineError(
            f"camera {camera}: no photo of {photos} is in the test split; add photos, or raise "
            f"cameras.{camera}.photos.split.test in params.yaml"
        )
    model = load_model(paths.model, "cuda" if torch.cuda.is_available() else "cpu")
    sets = _read_sets(camera, target, files or LearnedScoreFiles())
    enhancers: dict[str, Enhance] = {
        "untouched": lambda photo_hwc: photo_hwc,
        "histogram_match": sets.histogram_match.enhance,
        "auto_enhance": auto_enhance,
        "start": load_start(paths.model, model).enhance,
        "enhanced": model.enhance,
    }
    evaluation = Evaluation(enhancers, photos, sets.learned, ShownPhotos(paths.shown))
    progress = Progress(f"evaluate {camera}", len(tests), "photos")
    for photo in tests:
        evaluation.add(photo)
        progress.update()
    scores = evaluation.scores + evaluation.set_scores(sets.target)
    pictures = {SHEET: draw_sheet(evaluation.rows), **evaluation.pairs}
    summary = write_report(paths, scores, pictures, sets.learned.left_out)
    evaluation.shown.finish()
    return summary


class Evaluation:
    """Collects scores, features and small pictures of test photos, one photo at a time."""

    def __init__(
        self,
        enhancers: Mapping[str, Enhance],
        photos: Path,
        learned: LearnedScores,
        shown: ShownPhotos,
    ):
        self.enhancers, self.photos, self.learned, self.shown = enhancers, photos, learned, shown
        self.scores: list[Score] = []
        self.rows: dict[str, dict[str, Cell]] = {}
        self.pairs: dict[str, Image.Image] = {}
        self._features = {variant: SetFeatures(learned) for variant in enhancers}

    def add(self, photo: Photo) -> None:
        """Score all variants of a photo and store its pictures."""
        original = read_photo(photo_place(self.photos, photo.path))
        truth = self._truth(photo, original)
        results: dict[str, np.ndarray] = {}
        scores: dict[str, dict[str, float]] = {}
        for variant, enhance in self.enhancers.items():
            began = time.perf_counter()
            results[variant] = enhance(original)
            seconds = time.perf_counter() - began
            scores[variant] = score_photo(results[variant], truth, self.learned)
            if variant != "untouched":
                scores[variant] |= check_photo(enhance, original, results[variant], seconds, self.learned)
            self._features[variant].add(results[variant], photo.id)
        self.scores += [
            Score(photo_id=photo.id, name=photo.name, variant=variant, metric=metric, value=value)
            for variant, values in scores.items()
            for metric, value in values.items()
        ]
        pictures = results if truth is None else results | {"truth": truth}
        self.shown.add(photo, pictures, scores)
        if len(self.rows) < SHEET_PHOTOS:
            self._draw(photo, pictures, scores)

    def set_scores(self, target: SetFeatures) -> list[Score]:
        """Score each variant's photos as one set."""
        return set_scores(self._features, target, self.scores, self.learned)

    def _truth(self, photo: Photo, original: np.ndarray) -> np.ndarray | None:
        """Return the photo's truth; None if it has none, or if the pair is degenerate."""
        if not photo.truth_path:
            return None
        place = photo_place(self.photos, photo.truth_path)
        truth = read_photo(place)
        if truth.shape[:2] != (photo.height, photo.width):
            raise PhotoError(
                f"{place} is {truth.shape[1]}x{truth.shape[0]} px, but its photo "
                f"{photo.name} is {photo.width}x{photo.height}; both must have the same size"
            )
        return None if is_degenerate(original, truth) else truth

    def _draw(
        self, photo: Photo, pictures: Mapping[str, np.ndarray], scores: Mapping[str, Mapping[str, float]]
    ) -> None:
        captions = {v: f"PSNR {values['psnr']:.2f} dB" for v, values in scores.items() if "psnr" in values}
        self.rows[f"{photo.name}  {photo.width}x{photo.height} px, and its centre at 1:1"] = {
            column: cell(pictures[column], captions.get(column, ""))
            for column in (*COLUMNS, "truth")
            if column in pictures
        }
        pair = draw_pair(pictures["untouched"], pictures["enhanced"])
        self.pairs[photo.id] = pair  # by id: photo names may be too long or invalid for MLflow


@dataclass(frozen=True, kw_only=True)
class Sets:
    """What is computed from the camera's and the target's training photos before scoring."""

    histogram_match: HistogramMatch
    learned: LearnedScores
    target: SetFeatures


def _read_sets(camera: str, target: str, files: LearnedScoreFiles) -> Sets:
    ours, theirs = _listed(f"cameras.{camera}", "train"), _listed(f"targets.{target}", "train")
    all_theirs = _listed(f"targets.{target}")
    total = len(ours) + 2 * len(theirs) + len(all_theirs)
    progress = Progress(f"evaluate {camera}: read the sets", total, "photos")
    match = HistogramMatch.fit(_read(ours, progress), _read(theirs, progress))
    learned = load_learned_scores(files, _read(theirs, progress))
    features = SetFeatures(learned)
    for place, photo_hwc in zip(all_theirs, _read(all_theirs, progress), strict=True):
        features.add(photo_hwc, Path(place).stem)
    for score, reason in learned.left_out.items():
        print(f"evaluate {camera}: {METRICS[score].label} is left out: {reason}")
    return Sets(histogram_match=match, learned=learned, target=features)


def _listed(address: str, split: str | None = None) -> list[str]:
    """Return the places of the first photos of a set. Raises PipelineError if it has none."""
    folder = photo_set(address).photos
    chosen = [p for p in accepted(read_manifest(folder)) if split in (None, p.split)]
    if not chosen:
        what = f"in the {split} split" if split else "usable"
        raise PipelineError(f"{address}: no photo of {folder} is {what}; add photos")
    return [photo_place(folder, photo.path) for photo in chosen[:MAX_PHOTOS]]


def _read(places: list[str], progress: Progress) -> Iterator[np.ndarray]:
    for place in places:
        yield read_photo(place)
        progress.update()


def write_report(
    paths: CameraPaths,
    scores: list[Score],
    pictures: Mapping[str, Image.Image],
    left_out: Mapping[str, str] | None = None,
) -> Summary:
    """Write scores, pictures, intervals, and last the means that DVC shows; remove older files."""
    summary = summarise(scores)
    for folder in (paths.metrics, paths.pictures):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    write_scores(paths.scores, scores, left_out)
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
    picture.save(file, format="PNG", compress_level=PNG_LEVEL)
    write_atomically(path, file.getvalue())
