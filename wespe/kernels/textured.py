"""Colour and texture of `LutResidual` on a CPU, several times as fast as torch.

Torch passes over a photo some sixty times. Here each step of the reference is one compiled pass, on as many
threads as torch uses. Results differ by rounding, far below one of 255 levels.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
import torch

from wespe.networks.activity import EDGES_PX, LEAST, RANGE, WINDOWS_PX, gaussian_taps
from wespe.networks.lut import Colour, Decision
from wespe.networks.texture import FADE, Texture
from wespe.networks.tone import LEAST_COLOUR, SHOULDER

try:
    from wespe.kernels import passes
except (
    ImportError
):  # numba has no release for this version of Python: the reference computes the same, slower
    passes = None  # type: ignore[assignment]

LEAST_ROWS = 16  # per thread


def suits(photos_nchw: torch.Tensor) -> bool:
    """Tell whether `textured` can be used: one float32 photo on a CPU, without gradients or tracing."""
    return (
        passes is not None
        and type(photos_nchw) is torch.Tensor
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and photos_nchw.device.type == "cpu"
        and photos_nchw.dtype == torch.float32
        and len(photos_nchw) == 1
    )


def textured(photos_nchw: torch.Tensor, colour: Colour, texture: Texture, decision: Decision) -> torch.Tensor:
    """Return what `LutResidual.textured` does, for one photo or tile."""
    photo = photos_nchw[0].numpy()
    height, width = photo.shape[1:]
    rows = _rows(height)

    def planes(*shape: int) -> np.ndarray:
        return np.empty((*shape, height, width), np.float32)

    tones, luma, louder = planes(3), planes(), planes()
    gain, shift = (np.float32(value.item()) for value in (decision.gain, decision.shift))
    curves, slopes = colour.curves.numpy(), colour.slopes.numpy()
    saturation = np.float32(colour.saturation.item())
    constants = np.float32(SHOULDER), np.float32(LEAST_COLOUR)
    rows(passes.colour, photo)(curves, slopes, gain, shift, saturation, *constants, tones, luma, louder)
    lut = decision.lut[0].numpy()
    if lut.any():
        rows(passes.interpolate, tones)(np.ascontiguousarray(lut), luma)
    if not texture.fitted:
        return torch.from_numpy(tones)[None]

    change, band, square, spread, coarse = np.zeros_like(luma), planes(), planes(), planes(), planes()
    fine, floor = luma, decision.floor.flatten().numpy()
    excess, gains = texture.excess.numpy(), texture.gains.numpy()
    for number, (edge, window) in enumerate(zip(EDGES_PX, WINDOWS_PX, strict=True)):
        rows(passes.blur, luma)(gaussian_taps(edge), coarse)
        rows(passes.squared_difference, fine, coarse)(band, square)
        rows(passes.blur, square)(gaussian_taps(window), spread)
        rows(passes.change_of_band, band, spread, louder)(
            gains[number],
            np.float32(floor[number] + excess[number] + texture.config.noise),
            np.float32(FADE),
            np.float32(texture.config.quiet),
            np.float32(LEAST),
            np.float32(RANGE),
            _sigmoid(),
            change,
        )
        fine, coarse = coarse, (planes() if fine is luma else fine)
    calm = planes(2)
    rows(passes.chroma, tones, luma)(calm)
    if texture.config.chroma_px:
        for plane in calm:
            rows(passes.blur, plane)(gaussian_taps(texture.config.chroma_px), spread)
            plane[:] = spread
    enhanced = np.empty((height, width, 3), np.float32).transpose(2, 0, 1)  # the layout of fast convolutions
    rows(passes.joined, luma, calm, change)(enhanced)
    return torch.from_numpy(enhanced)[None]


def _rows(height: int) -> Callable:
    """Return a function that runs a pass on all rows, divided among threads."""
    threads = max(1, min(torch.get_num_threads(), height // LEAST_ROWS))
    bounds = [round(height * part / threads) for part in range(threads + 1)]

    def prepared(run: Callable, *read: np.ndarray) -> Callable[..., None]:
        def on_all(*rest: object) -> None:
            if threads == 1:
                run(*read, 0, height, *rest)
                return
            parts = [_pool(threads).submit(run, *read, start, end, *rest) for start, end in pairwise(bounds)]
            for part in parts:
                part.result()

        return on_all

    return prepared


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="wespe-kernels")


@cache
def _sigmoid() -> np.ndarray:
    return passes.sigmoid_table()
