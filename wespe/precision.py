"""bfloat16 inference: twice as fast on processors that support it, and accurate enough for 8-bit photos."""

import time
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from wespe.generator import Generator, Place

LEVELS = 255
SLOWER = 4  # bfloat16 counts as slow if it takes this many times as long as float32; native it takes half
PROBE_GRIDS_PX = (3, 12, 48, 192)  # sides of the random grids that are mixed into the probe


class Bfloat16Generator(Generator):
    """A generator that computes convolutions and matrix products in bfloat16; photos stay float32."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator
        self.decides = generator.decides  # type: ignore[misc]
        self.step_px, self.strip_px = generator.step_px, generator.strip_px

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Any:
        return self.generator.decide(strips_nchw)

    def compact(self, decision: Any) -> Any:
        return self.generator.compact(decision)

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, torch.bfloat16):
            return self.generator(photos_nchw, decision, place)


@torch.inference_mode()
def suits_bfloat16(generator: Generator) -> bool:
    """Tell whether bfloat16 is fast here and changes a test image by at most one of 255 levels."""
    device = next(generator.parameters()).device
    if not is_fast(device.type):
        return False
    probe = _probe().to(device)
    exact, quick = (_levels(network(probe)) for network in (generator, Bfloat16Generator(generator)))
    return bool((exact - quick).abs().max() <= 1)


def computes_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Resolve "auto", "fp32" or "bf16"; warn if bf16 is requested but slow."""
    if precision == "bf16" and not is_fast(device.type):
        warnings.warn(
            "bfloat16 is much slower than float32 on this processor; set precision to auto or fp32",
            stacklevel=2,
        )
    return precision == "bf16" or (precision == "auto" and is_fast(device.type))


@cache
def is_fast(device_type: str) -> bool:
    """Tell whether bfloat16 is faster than float32 here; measured once per process.

    Without native instructions, bfloat16 takes 14 to 65 times as long as float32. The processor's list of
    capabilities is not sufficient, since libraries can be restricted to fewer of them, so a convolution is
    timed. The threshold has a wide margin, so that timing noise never changes the result.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = torch.cpu.get_capabilities()
    if device_type != "cpu" or not any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16")):
        return False
    return _seconds(torch.bfloat16) < SLOWER * _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a few convolutions."""
    photos, kernel = torch.ones(1, 32, 96, 96, dtype=dtype), torch.ones(32, 32, 3, 3, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            began = time.perf_counter()
            functional.conv2d(photos, kernel, padding=1)
            times.append(time.perf_counter() - began)
    return min(times)


def _probe() -> torch.Tensor:
    """Return a test image (1, 3, 192, 192) with random structure at several scales, from black to white."""
    random, side = torch.Generator().manual_seed(0), max(PROBE_GRIDS_PX)
    grids = [torch.rand(1, 3, cells, cells, generator=random) for cells in PROBE_GRIDS_PX]
    scaled = [functional.interpolate(grid, (side, side), mode="bicubic") for grid in grids]
    mixed = torch.stack(scaled).mean(0)
    return (mixed - mixed.min()) / (mixed.max() - mixed.min())


def _levels(photos_nchw: torch.Tensor) -> torch.Tensor:
    return photos_nchw.float().clamp(0, 1).mul(LEVELS).round()
