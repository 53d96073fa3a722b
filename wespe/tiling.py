"""Enhances photos of any size in bounded memory: in tiles, with a halo so that no seams appear."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from wespe.generator import Generator, Place

Area = tuple[slice, slice]  # rows and columns of a photo
Read = Callable[[slice, slice], torch.Tensor]  # returns an area of the photo as photos_nchw
Write = Callable[[slice, slice, torch.Tensor], None]  # stores an enhanced area

PROBES_PX = (65, 129, 257)
# Copies held in memory at the same time, measured on a CPU, where oneDNN keeps copies in its own layout.
# SRCNN and networks of 4 to 64 channels used 0.5 to 1 times this estimate; lut-residual needs
# all 40 without compiled passes.
COPIES_OF_WIDEST, COPIES_OF_PHOTO = 5, 40
MIN_TILE_PX = 16


class Tiling:
    """Runs a generator on tiles, with the same result as on the whole photo.

    Each instance norm gets the statistics of the whole photo, which costs one more pass over the tiles. A
    generator that decides gets the whole photo in strips of a multiple of strip_px rows.

    halo_px: the receptive field around a pixel. None if the generator depends on the whole photo in another
        way; it then only accepts whole photos.
    """

    def __init__(self, generator: Generator):
        self.generator = generator
        self.halo_px = reach_px(generator)
        self.bytes_per_pixel = bytes_per_pixel(generator)

    def enhance(
        self, read: Read, write: Write, height: int, width: int, budget_bytes: int, decision: Any = None
    ) -> None:
        """Enhance in as few tiles as the budget allows; retry with smaller tiles if memory runs out.

        decision: by default, the photo's own.
        Raises: TooLarge if the generator cannot work in tiles; MemoryError if even the smallest tile does not
        fit.
        """
        pixels = budget_bytes // self.bytes_per_pixel
        while True:
            try:
                if height * width <= pixels:
                    whole = slice(0, height), slice(0, width)
                    return write(*whole, self.generator(read(*whole), decision))
                tile = self.tile(height, width, pixels)
                return self._enhance_tiles(read, write, height, width, tile, decision)
            except Exception as error:
                if not _is_out_of_memory(error) or pixels < MIN_TILE_PX**2:
                    raise
            pixels = min(pixels, height * width) // 4

    def tile(self, height: int, width: int, pixels: int) -> tuple[int, int]:
        """Return rows and columns of equal tiles that fit with their halo and have the least overlap.

        Raises TooLarge.
        """
        if self.halo_px is None:
            raise TooLarge(pixels)
        halos, best = 2 * self.halo_px, (math.inf, MIN_TILE_PX, MIN_TILE_PX)
        for across in range(1, math.ceil(width / MIN_TILE_PX) + 1):
            columns = math.ceil(width / across)
            rows = min(height, pixels // min(width, columns + halos) - halos)
            if rows >= min(height, MIN_TILE_PX):
                down = math.ceil(height / rows)
                read = (height + (down - 1) * halos) * (width + (across - 1) * halos)
                best = min(best, (read, math.ceil(height / down), columns))
        return best[1:]

    def enhance_tiles(self, read: Read, write: Write, height: int, width: int, tile_px: int) -> None:
        """Enhance in square tiles of a given size, regardless of memory. Raises TooLarge."""
        self._enhance_tiles(read, write, height, width, (tile_px, tile_px))

    def _enhance_tiles(
        self,
        read: Read,
        write: Write,
        height: int,
        width: int,
        tile: tuple[int, int],
        decision: Any = None,
    ) -> None:
        if self.halo_px is None:
            raise TooLarge(0)
        if decision is None and self.generator.decides:
            decision = self._decide(read, height, width, math.prod(tile))
        network = _with_norms(self.generator, WholePhotoNorm)
        norms = [module for module in network.modules() if isinstance(module, WholePhotoNorm)]
        tiles = list(_tiles(height, width, tile, self.halo_px, self.generator.step_px))

        def enhance_tile(outer: Area) -> torch.Tensor:
            return network(read(*outer), decision, Place(outer[0].start, outer[1].start, height, width))

        for _ in norms:  # one pass each
            _measure_next_norm(enhance_tile, tiles)
        for outer, inner in tiles:
            write(*inner, _inside(enhance_tile(outer), outer, inner))

    def decide(self, read: Read, height: int, width: int, budget_bytes: int) -> Any:
        """Return what `forward` reads of the decision for a photo; None if the generator does not decide."""
        if not self.generator.decides:
            return None
        decision = self._decide(read, height, width, budget_bytes // self.bytes_per_pixel)
        return self.generator.compact(decision)

    def _decide(self, read: Read, height: int, width: int, pixels: int) -> Any:
        strips = _strips(height, pixels // width, self.generator.strip_px)
        return self.generator.decide(read(rows, slice(0, width)) for rows in strips)


class TooLarge(Exception):
    """The generator cannot work in tiles, and the photo does not fit in memory; `pixels` would fit."""

    def __init__(self, pixels: int):
        super().__init__(f"photos of more than {pixels:,} pixels do not fit in memory")
        self.pixels = pixels


@torch.inference_mode()
def reach_px(generator: Generator) -> int | None:
    """Return how far a pixel's influence reaches, ignoring instance norms; None if over the whole photo.

    Measured with a NaN pixel: every pixel that depends on it becomes NaN, whatever the weights. Computed in
    float64, since fast convolution algorithms for float32 can spread NaN farther.
    """
    probe = _with_norms(generator, lambda norm: nn.Identity()).to("cpu", torch.float64)
    decision = probe.decide([torch.zeros(1, 3, 64, 64, dtype=torch.float64)])
    for side in PROBES_PX:
        places = range(side // 2, side // 2 + generator.step_px)  # pixels within a step differ
        reach = max(_reach_px(probe, decision, side, place) for place in places)
        if reach < side - places.stop:
            return reach
    return None


def _reach_px(probe: Generator, decision: Any, side: int, place: int) -> int:
    photo = torch.zeros(1, 3, side, side, dtype=torch.float64)
    photo[..., place, place] = torch.nan
    touched = probe(photo, decision, Place(0, 0, side, side)).isnan().any(dim=1)[0].nonzero()
    return int((touched - place).abs().max())


@torch.inference_mode()
def bytes_per_pixel(network: nn.Module) -> int:
    """Estimate the memory of a forward pass per pixel, from its largest layer output."""
    side, widest = 64, 0  # large enough for layers of a constant size, such as a thumbnail's, to count little

    def note(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal widest
        if isinstance(output, torch.Tensor):
            widest = max(widest, output.nbytes // side**2)

    parameter = next(network.parameters())
    photo = torch.zeros(1, 3, side, side, dtype=parameter.dtype, device=parameter.device)
    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        network(photo)
    finally:
        for hook in hooks:
            hook.remove()
    return COPIES_OF_WIDEST * widest + COPIES_OF_PHOTO * photo.nbytes // side**2


class WholePhotoNorm(nn.Module):
    """Replaces an instance norm: normalises a tile with the statistics of the whole photo."""

    def __init__(self, norm: nn.InstanceNorm2d):
        super().__init__()
        self.norm = norm
        self.moments: tuple[torch.Tensor, torch.Tensor] | None = None

    def learn(self, sums: torch.Tensor) -> None:
        """Compute mean and variance from the total `_sums` of all tiles."""
        count, total, squares = sums
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        self.moments = mean.float(), variance.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.moments is None:
            raise _StatisticsNeeded(self, x)
        return F.batch_norm(x, *self.moments, self.norm.weight, self.norm.bias, eps=self.norm.eps)


class _StatisticsNeeded(Exception):
    """Stops a forward pass at a norm that has no statistics yet, since later layers need its output."""

    def __init__(self, norm: WholePhotoNorm, features: torch.Tensor):
        super().__init__()
        self.norm, self.features = norm, features


def _measure_next_norm(enhance_tile: Callable[[Area], torch.Tensor], tiles: list[tuple[Area, Area]]) -> None:
    """Compute the statistics of the first norm that has none yet."""
    sums = []
    for outer, inner in tiles:
        try:
            enhance_tile(outer)
        except _StatisticsNeeded as stop:
            norm = stop.norm
            sums.append(_sums(_inside(stop.features, outer, inner)))
    norm.learn(torch.stack(sums).sum(0))


def _sums(features: torch.Tensor) -> torch.Tensor:
    """Return the number of pixels, sum and sum of squares per channel, float64 (3, channels)."""
    values = features[0].flatten(1).double()
    return torch.stack(
        [torch.full_like(values[:, 0], values.shape[1]), values.sum(1), values.square().sum(1)]
    )


def _with_norms(generator: Generator, stand_in: Callable[[nn.InstanceNorm2d], nn.Module]) -> Generator:
    """Return a copy of the generator with every instance norm replaced."""
    network = copy.deepcopy(generator)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.InstanceNorm2d) and not module.track_running_stats:
            network.set_submodule(name, stand_in(module))
    return network


def _tiles(
    height: int, width: int, tile: tuple[int, int], halo_px: int, step_px: int
) -> Iterator[tuple[Area, Area]]:
    """Yield the area to read and the area to keep. At the photo's border there is no halo: layers pad it."""

    def spans(size: int, step: int) -> Iterator[tuple[slice, slice]]:
        for start in range(0, size, step):
            stop = min(size, start + step)
            first = max(0, start - halo_px) // step_px * step_px
            yield slice(first, min(size, stop + halo_px)), slice(start, stop)

    for outer_rows, rows in spans(height, tile[0]):
        for outer_columns, columns in spans(width, tile[1]):
            yield (outer_rows, outer_columns), (rows, columns)


def _strips(height: int, rows: int, unit: int) -> Iterator[slice]:
    """Yield strips of about `rows` rows: a multiple of `unit`, and at least one unit in the last strip."""
    step = max(1, rows // unit) * unit
    starts = list(range(0, max(1, height - unit + 1), step))
    for start, stop in zip(starts, [*starts[1:], height], strict=True):
        yield slice(start, stop)


def _inside(tile_nchw: torch.Tensor, outer: Area, inner: Area) -> torch.Tensor:
    rows, columns = (
        slice(kept.start - read.start, kept.stop - read.start)
        for read, kept in zip(outer, inner, strict=True)
    )
    return tile_nchw[..., rows, columns]


def _is_out_of_memory(error: Exception) -> bool:
    # The CPU allocator and oneDNN have no exception type for it.
    texts = ("can't allocate memory", "could not create a memory", "could not create a primitive")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        text in str(error) for text in texts
    )
