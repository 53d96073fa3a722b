"""A film whose truth is known: a pan over a photograph, of a camera whose exposure drifts."""

import numpy as np
import pytest
import torch
from skimage import data

from pipeline.films.first_pass import look_at
from pipeline.films.one_film import enhanced
from pipeline.models.known_models import SHIPPED
from pipeline.models.model_folder import load_model
from tests.pipeline.films.conftest import Make, photos
from wespe.metrics.flicker import Flicker, FlickerMeter

pytest.importorskip("av")
FRAMES, STEP_PX, HEIGHT, WIDTH = 60, 2, 240, 320


def test_no_more_flicker_than_the_film_and_no_further_from_the_truth(make: Make) -> None:
    """Protects: what films are enhanced for, with the model that comes with the package.

    Flicker is measured along the pan, where each point of the scene only changes by the camera's exposure.
    """
    model = load_model(SHIPPED / "generic-phone")
    truth = [data.astronaut()[100 : 100 + HEIGHT, STEP_PX * n : STEP_PX * n + WIDTH] for n in range(FRAMES)]
    source = make(
        photos=[_taken(photo, n) for n, photo in enumerate(truth)], options={"crf": "12"}, sound=False
    )
    taken, (film, track) = photos(source), look_at(source, model)
    singly = [model.enhance(photo) for photo in taken]
    together = [frame.photo_hwc for frame in enhanced(model, source, film, track, 1.0)]
    before, after = _flicker(taken, singly), _flicker(taken, together)
    assert before.luma > 1.1 >= after.luma
    assert after.chroma <= before.chroma
    assert _psnr(truth, together) >= _psnr(truth, singly)
    assert _psnr(truth, together) > _psnr(truth, taken)


def _taken(photo: np.ndarray, number: int) -> np.ndarray:
    """Darken, tint and add noise, as a weak camera does; its exposure rises slowly."""
    random = np.random.default_rng(number)
    exposure = 0.7 + 0.15 * number / FRAMES
    dark = photo * exposure * np.array([1.0, 0.95, 0.9])
    return (dark + random.normal(0, 1, photo.shape)).clip(0, 255).round().astype(np.uint8)


def _flicker(source: list[np.ndarray], result: list[np.ndarray]) -> Flicker:
    meter = FlickerMeter()
    for number, pair in enumerate(zip(source, result, strict=True)):
        shift = STEP_PX * (FRAMES - 1 - number)  # the part of the scene that all frames show
        shown = WIDTH - STEP_PX * (FRAMES - 1)
        meter.update(*(_nchw(photo[:, shift : shift + shown]) for photo in pair))
    return meter.result.over(meter.source)


def _nchw(photo: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255


def _psnr(truth: list[np.ndarray], found: list[np.ndarray]) -> float:
    errors = [np.square(one.astype(float) - other).mean() for one, other in zip(truth, found, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))
