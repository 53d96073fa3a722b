"""Score a camera's model on its test photos, beside the untouched photo and the yardsticks."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.errors import PhotoError, PipelineError
from pipeline.evaluation.contact_sheet import Cell, cell, draw_pair, draw_sheet
from pipeline.evaluation.learned_scores import JudgeFiles, load_judges
from pipeline.evaluation.photo_scores import Enhance, Judges, check_photo, score_photo
from pipeline.evaluation.scores import (
    COLOUR_DISTANCE,
    PSNR_POOLED,
    TEXTURE_DISTANCE,
    VARIANTS,
    Score,
    Summary,
    by_photo,
    summarise,
    write_scores,
)
from pipeline.evaluation.shown_photos import ShownPhotos, choose
from pipeline.files import write_atomically
from pipeline.layout import CameraPaths, photo_set
from pipeline.logs import Progress
from pipeline.models.model_folder import load_model
from pipeline.patches.manifest import Photo, accepted, read_manifest
from pipeline.photos.images import read_photo
from pipeline.seeds import seed_of
from wespe.auto_enhance import auto_enhance
from wespe.histogram_match import HistogramMatch
from wespe.metrics.full_reference import is_degenerate, pooled_psnr
from wespe.metrics.set_distance import (
    sample_colours,
    sample_gradients,
    sliced_wasserstein,
    texture_distance,
)

# Photos come in the order of their ids, which are hashes: the first ones are a random draw of the set.
SET_PHOTOS = 200
SHOWN_PHOTOS = 6
SHEET = "before_after"
COLUMNS = ("untouched", "histogram_match", "enhanced")  # of the sheet


def evaluate_camera(camera: str, target: str, judges: JudgeFiles | None = None) -> Summary:
    """Score, draw and write the report of one camera. Memory is bounded by one photo.

    judges: weights of further scores, if there are any.
    Raises: PipelineError when there is nothing to judge on; PhotoError, CheckpointError.
    """
    paths, photos = CameraPaths(camera=camera), photo_set(f"cameras.{camera}").photos
    tests = [photo for photo in accepted(read_manifest(photos)) if photo.split == "test"]
    if not tests:
        raise PipelineError(
            f"camera {camera}: no photo of {photos} is in the test split; add photos or raise its test share"
        )
    model = load_model(paths.model, "cuda" if torch.cuda.is_available() else "cpu")
    enhancers: dict[str, Enhance] = {
        "untouched": lambda photo_hwc: photo_hwc,
        "histogram_match": _fit_histogram_match(camera, target).enhance,
        "auto_enhance": auto_enhance,
        "enhanced": model.enhance,
    }
    look = _photos(f"targets.{target}", "train")
    evaluation = Evaluation(enhancers, photos, load_judges(judges or JudgeFiles(), look))
    progress = Progress(f"evaluate {camera}", len(tests), "photos")
    for photo in tests:
        evaluation.add(photo)
        progress.update()
    scores = (
        evaluation.scores
        + evaluation.facts()
        + evaluation.pooled()
        + evaluation.distances(*_target_samples(target))
    )
    summary = write_report(paths, scores, {SHEET: draw_sheet(evaluation.rows), **evaluation.pairs})
    _show(camera, tests, evaluation, scores)
    return summary


class Evaluation:
    """Goes through test photos one at a time and keeps their scores, samples and small pictures."""

    def __init__(self, enhancers: Mapping[str, Enhance], photos: Path, judges: Judges | None = None):
        self.enhancers, self.photos, self.judges = enhancers, photos, judges
        self.scores: list[Score] = []
        self.rows: dict[str, dict[str, Cell]] = {}
        self.pairs: dict[str, Image.Image] = {}
        self._colours: dict[str, list[np.ndarray]] = {variant: [] for variant in VARIANTS}
        self._gradients: dict[str, list[np.ndarray]] = {variant: [] for variant in VARIANTS}

    def add(self, photo: Photo) -> None:
        """Score every variant of a photo and draw the first few photos."""
        original = read_photo(self.photos / photo.path)
        truth = self._truth(photo, original)
        row: dict[str, Cell] = {}
        for variant, enhance in self.enhancers.items():
            began = time.perf_counter()
            result = enhance(original)
            seconds = time.perf_counter() - began
            values = score_photo(result, truth, self.judges)
            if variant != "untouched":
                values |= check_photo(enhance, original, result, seconds)
            self.scores += [
                Score(photo_id=photo.id, name=photo.name, variant=variant, metric=metric, value=value)
                for metric, value in values.items()
            ]
            self._sample(photo, variant, result)
            if variant in COLUMNS:
                row[variant] = cell(result, f"PSNR {values['psnr']:.2f} dB" if "psnr" in values else "")
        if len(self.rows) < SHOWN_PHOTOS:
            # `result` is the last variant's: the enhanced photo.
            self._draw(photo, row | ({} if truth is None else {"truth": cell(truth, "")}), original, result)

    def variants(self, photo: Photo) -> dict[str, np.ndarray]:
        """Enhance a photo again, to be shown: every variant, and the truth where there is one."""
        original = read_photo(self.photos / photo.path)
        results = {variant: enhance(original) for variant, enhance in self.enhancers.items()}
        truth = self._truth(photo, original)
        return results if truth is None else results | {"truth": truth}

    def facts(self) -> list[Score]:
        """What is known of the judges, beside all that they said."""
        known = self.judges.facts if self.judges else {}
        return [_set_score(v, name, value) for v in self.enhancers for name, value in known.items()]

    def pooled(self) -> list[Score]:
        """Score each variant's photos together by one PSNR, where they have truths."""
        return [
            _set_score(variant, PSNR_POOLED, pooled_psnr(list(psnrs.values())))
            for variant in self.enhancers
            if (psnrs := by_photo(self.scores, variant, "psnr"))
        ]

    def distances(self, target_colours: np.ndarray, target_gradients: np.ndarray) -> list[Score]:
        """Score each variant's photos as a set by how far they are from the target's."""
        scores = []
        for variant in self.enhancers:
            colours = np.concatenate(self._colours[variant])
            gradients = np.concatenate(self._gradients[variant], axis=1)
            scores += [
                _set_score(variant, COLOUR_DISTANCE, sliced_wasserstein(colours, target_colours)),
                _set_score(variant, TEXTURE_DISTANCE, texture_distance(gradients, target_gradients)),
            ]
        return scores

    def _sample(self, photo: Photo, variant: str, photo_hwc: np.ndarray) -> None:
        """Keep what set distances need, of as many photos as a target's set counts."""
        if len(self._colours[variant]) < SET_PHOTOS:
            self._colours[variant].append(sample_colours(photo_hwc, seed_of("colours", photo.id)))
            self._gradients[variant].append(sample_gradients(photo_hwc, seed_of("gradients", photo.id)))

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
        return None if is_degenerate(original, truth) else truth

    def _draw(self, photo: Photo, row: dict[str, Cell], before: np.ndarray, after: np.ndarray) -> None:
        self.rows[f"{photo.name}  {photo.width}x{photo.height} px, and its middle at 1:1"] = row
        self.pairs[f"{Path(photo.name).stem}-{photo.id[:8]}"] = draw_pair(before, after)


def _show(camera: str, tests: list[Photo], evaluation: Evaluation, scores: list[Score]) -> None:
    """Enhance the photos that are worth a look again: all of them would not fit into memory."""
    shown, chosen = ShownPhotos(CameraPaths(camera=camera).shown, scores), choose(tests, scores)
    progress = Progress(f"show {camera}", len(chosen), "photos")
    for photo in chosen:
        shown.add(photo, evaluation.variants(photo))
        progress.update()
    shown.finish()


def _set_score(variant: str, metric: str, value: float) -> Score:
    return Score(photo_id="", name="", variant=variant, metric=metric, value=value)


def _fit_histogram_match(camera: str, target: str) -> HistogramMatch:
    return HistogramMatch.fit(_photos(f"cameras.{camera}", "train"), _photos(f"targets.{target}", "train"))


def _target_samples(target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return colours and gradients of the target's photos, each read once."""
    samples = [(sample_colours(p), sample_gradients(p)) for p in _photos(f"targets.{target}")]
    colours, gradients = zip(*samples, strict=True)
    return np.concatenate(colours), np.concatenate(gradients, axis=1)


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
