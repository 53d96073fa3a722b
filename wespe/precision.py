"""bfloat16 instead of float32: twice as fast where the processor has it, and exact enough for 8 bits."""

import time
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from wespe.generator import Generator, Place

LEVELS = 255
SLOWER = 4  # times as long as float32: with instructions of its own bfloat16 takes half as long
CLOUDS = (3, 12, 48, 192)  # sides, in px, of the grids that a probe is mixed of


class InBfloat16(Generator):
    """A generator whose convolutions and products are in bfloat16; photos stay float32."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator
        self.decides, self.strip_px = generator.decides, generator.strip_px  # type: ignore[misc]

    def decide(self, strips_nchw: Iterable[torch.Tensor]) -> Any:
        return self.generator.decide(strips_nchw)

    def forward(
        self, photos_nchw: torch.Tensor, decision: Any = None, place: Place | None = None
    ) -> torch.Tensor:
        with torch.autocast(photos_nchw.device.type, torch.bfloat16):
            return self.generator(photos_nchw, decision, place)


@torch.inference_mode()
def bfloat16_will_do(generator: Generator) -> bool:
    """Tell whether bfloat16 is fast here, and moves no value of a probe by more than one of 255 levels."""
    device = next(generator.parameters()).device
    if not is_fast(device.type):
        return False
    probe = _clouds().to(device)
    exact, quick = (_levels(network(probe)) for network in (generator, InBfloat16(generator)))
    return bool((exact - quick).abs().max() <= 1)


def computes_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Decide for "auto", "fp32" or "bf16"; warn where bf16 was asked for and is slow."""
    if precision == "bf16" and not is_fast(device.type):
        warnings.warn(
            "bfloat16 is much slower than float32 on this processor; precision: auto would choose float32",
            stacklevel=2,
        )
    return precision == "bf16" or (precision == "auto" and is_fast(device.type))


@cache
def is_fast(device_type: str) -> bool:
    """Tell, once per process, whether bfloat16 saves time here.

    A processor without instructions for it takes 14 to 65 times as long as in float32. Its list of
    capabilities is not enough: libraries can be restricted to fewer of them. So a convolution is timed, by a
    wide margin: noise must not change what a training computes.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = torch.cpu.get_capabilities()
    if device_type != "cpu" or not any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16")):
        return False
    return _seconds(torch.bfloat16) < SLOWER * _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """The least time of a few convolutions."""
    photos, kernel = torch.ones(1, 32, 96, 96, dtype=dtype), torch.ones(32, 32, 3, 3, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            began = time.perf_counter()
            functional.conv2d(photos, kernel, padding=1)
            times.append(time.perf_counter() - began)
    return min(times)


def _clouds() -> torch.Tensor:
    """A picture with shapes of every size, from black to white: (1, 3, 192, 192)."""
    random, side = torch.Generator().manual_seed(0), max(CLOUDS)
    grids = [torch.rand(1, 3, cells, cells, generator=random) for cells in CLOUDS]
    scaled = [functional.interpolate(grid, (side, side), mode="bicubic") for grid in grids]
    mixed = torch.stack(scaled).mean(0)
    return (mixed - mixed.min()) / (mixed.max() - mixed.min())


def _levels(photos_nchw: torch.Tensor) -> torch.Tensor:
    return photos_nchw.float().clamp(0, 1).mul(LEVELS).round()
