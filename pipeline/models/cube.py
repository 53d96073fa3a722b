"""Exports a model's colours as a .cube file: a 3-D LUT for photo and video programs (Adobe, 2013).

It contains the output of a `lut_residual` model for a flat area of each sRGB colour: the colour transform,
and the effect of the detail network on flat colours, which may have learned much of the colour. Decisions
that the model makes per photo are averaged over the given photos. Without photos, brightness and contrast are
not adapted (gain 1, shift 0), and the LUTs are weighted as for a photo that contains every colour once.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import PhotoError, PipelineError
from pipeline.files import write_atomically
from pipeline.logs import Progress
from pipeline.models.model_folder import Model
from pipeline.photos.formats import photos_below
from pipeline.photos.images import read_photo
from wespe.batch import photos_nchw
from wespe.methods.lut_residual import LutResidual
from wespe.methods.restore import Restored
from wespe.networks.lut import Decision, interpolate

SIDE = 33
DIGITS = "%.6f"


@dataclass(frozen=True, kw_only=True)
class Cube:
    """An exported file.

    mean, most: mean and maximum error of interpolating in the file, in levels of 255, measured halfway
        between its entries.
    """

    bytes: int
    mean: float
    most: float


def export_cube(model: Model, path: Path, photos: Sequence[Path] = ()) -> Cube:
    """Write the colours of a model on the CPU, averaged over its decisions for these photos.

    Photos that cannot be read are skipped and named on stderr.
    Raises: PipelineError if the model's method has no separate colour transform, or no photo can be read.
    """
    generator = model.generator
    if not isinstance(generator, LutResidual) or isinstance(generator, Restored):
        raise PipelineError(
            f"{path}: a .cube file contains only colours, the same everywhere, but a "
            f"{model.config['method']['name']} model has no such part; export an .onnx file instead"
        )
    if path.is_dir():
        raise PipelineError(f"{path} is a folder; name a file such as {path / 'model.cube'}")
    decision = _average(generator, photos) if photos else _neutral(generator)
    lattice = torch.linspace(0, 1, SIDE)
    midway = (lattice[1:] + lattice[:-1]) / 2
    progress = Progress("colours", SIDE**2 + (SIDE - 1) ** 2, "rows")
    table = _flat_areas(generator, decision, lattice, progress)
    difference = _interpolated(table, midway) - _flat_areas(generator, decision, midway, progress)
    data = _header(model, len(photos)) + _rows(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    levels = difference.abs() * 255
    return Cube(bytes=len(data), mean=levels.mean().item(), most=levels.max().item())


def photos_in(path: Path) -> list[Path]:
    """Return a photo, or all photos of a folder and its sub-folders. Raises PipelineError if it has none."""
    if not path.is_dir():
        return [path]
    found = photos_below(path)
    if not found:
        raise PipelineError(f"{path} contains no photos; name a photo, or a folder with the camera's photos")
    return found


@torch.inference_mode()
def _average(generator: LutResidual, photos: Sequence[Path]) -> Decision:
    progress, decisions = Progress("decide", len(photos), "photos"), []
    for photo in photos:
        try:
            photo_hwc = torch.tensor(read_photo(photo))
            decisions.append(generator.decide([photos_nchw(photo_hwc[None], "cpu")]))
        except PhotoError as error:  # one broken photo does not stop the others
            print(f"skipped {error}", file=sys.stderr)
        progress.update()
    if not decisions:
        raise PipelineError(f"none of {len(photos)} photos can be read; name others")
    return Decision(*(torch.cat(parts).mean(0, keepdim=True) for parts in zip(*decisions, strict=True)))


@torch.inference_mode()
def _neutral(generator: LutResidual) -> Decision:
    decision = generator.decide([_colours(torch.linspace(0, 1, SIDE))])
    return decision._replace(gain=torch.ones_like(decision.gain), shift=torch.zeros_like(decision.shift))


@torch.inference_mode()
def _flat_areas(
    generator: LutResidual, decision: Decision, level: torch.Tensor, progress: Progress
) -> torch.Tensor:
    """Return the model's output for flat areas of each colour, (1, 3, side², side) like `_colours`, 0–1."""
    halo_px, step = int(generator.detail.halo_px), generator.step_px  # type: ignore[arg-type]
    first = -(-halo_px // step) * step  # of the block in the middle, whose pixels have channels of their own
    block, side = slice(first, first + step), first + step + halo_px
    coloured = generator.colour(_colours(level), decision)
    areas = coloured[0].permute(1, 2, 0)[..., None, None].expand(-1, -1, -1, side, side)
    middle = []
    for row in areas:
        middle.append(generator.detail(row)[..., block, block].mean((2, 3)))
        progress.update()
    return torch.stack(middle).permute(2, 0, 1)[None].clamp(0, 1)


def _colours(level: torch.Tensor) -> torch.Tensor:
    """Return all colours of these levels as photos_nchw (1, 3, side², side): red varies fastest."""
    blue, green, red = torch.meshgrid(level, level, level, indexing="ij")
    return torch.stack([red, green, blue]).flatten(1, 2)[None]


def _interpolated(table: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Interpolate in the table, as programs that read the file do."""
    return interpolate(table.view(1, 3, SIDE, SIDE, SIDE).transpose(2, 4), _colours(level))


def _header(model: Model, photos: int) -> bytes:
    """Build the header. The title is one quoted line; quotes cannot be escaped, so they are removed."""
    camera = "".join(
        c for c in str(model.config.get("camera", "")) if c.isascii() and c.isprintable() and c != '"'
    )
    return (
        f'TITLE "{camera or "WESPE"}"\n'
        f"# colours of the model {model.sha256}, decided for {photos or 'no'} photos; sRGB in, sRGB out\n"
        f"LUT_3D_SIZE {SIDE}\nDOMAIN_MIN 0.0 0.0 0.0\nDOMAIN_MAX 1.0 1.0 1.0\n"
    ).encode()


def _rows(table: torch.Tensor) -> bytes:
    """Format the table: one colour per line, red varies fastest."""
    lines = io.BytesIO()
    np.savetxt(lines, table[0].flatten(1).T.numpy(), fmt=DIGITS)
    return lines.getvalue()
