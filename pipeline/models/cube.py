"""A model's colours as a .cube file: the 3-D LUT that photo and video programs read (Adobe, 2013).

It holds the output of a `lut_residual` model for a flat area of each colour: the whole colour part, and what
the detail part does to flat colours, since training may put much of the colour there. Values are sRGB as in
photos. What the model decides per photo is averaged over the photos given, such as a camera's photos.
Without photos it is neutral: brightness and contrast stay as the camera's curves leave them, and the LUTs are
mixed as for a photo that shows every colour once.
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
from pipeline.photos.formats import is_photo
from pipeline.photos.images import read_photo
from wespe.batch import photos_nchw
from wespe.methods.lut_residual import LutResidual
from wespe.networks.lut import Decision, interpolate

SIDE = 33
DIGITS = "%.6f"


@dataclass(frozen=True, kw_only=True)
class Cube:
    """An exported file.

    mean, most: how far interpolating in the file is from the model, in levels of 255, over the colours
        farthest from its lattice.
    """

    bytes: int
    mean: float
    most: float


def export_cube(model: Model, path: Path, photos: Sequence[Path] = ()) -> Cube:
    """Write the colours of a model that is on the CPU, as decided for these photos, or neutral without any.

    A photo that cannot be read is skipped and named on stderr.
    Raises: PipelineError when the model's method has no separate colour part, or no photo can be read.
    """
    generator = model.generator
    if not isinstance(generator, LutResidual):
        raise PipelineError(
            f"{path}: a .cube file holds only colours, and a {model.config['method']['name']} model has no "
            "separate colour part; name an .onnx file instead"
        )
    if path.is_dir():
        raise PipelineError(f"{path} is a folder; name a file such as {path / 'model.cube'}")
    decision = _average(generator, photos) if photos else _neutral(generator)
    lattice = torch.linspace(0, 1, SIDE)
    midway = (lattice[1:] + lattice[:-1]) / 2
    progress = Progress("colours", SIDE**2 + (SIDE - 1) ** 2, "rows")
    table = _flat_areas(generator, decision, lattice, progress)
    difference = _looked_up(table, midway) - _flat_areas(generator, decision, midway, progress)
    data = _header(model, len(photos)) + _rows(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    levels = difference.abs() * 255
    return Cube(bytes=len(data), mean=levels.mean().item(), most=levels.max().item())


def photos_in(path: Path) -> list[Path]:
    """A photo, or all photos of a folder and its subfolders. Raises PipelineError when there are none."""
    if not path.is_dir():
        return [path]
    found = sorted(photo for photo in path.rglob("*") if is_photo(str(photo.relative_to(path))))
    if not found:
        raise PipelineError(f"{path} holds no photos; name a photo, or a folder of the camera's photos")
    return found


@torch.inference_mode()
def _average(generator: LutResidual, photos: Sequence[Path]) -> Decision:
    progress, decisions = Progress("decide", len(photos), "photos"), []
    for photo in photos:
        try:
            photo_hwc = torch.tensor(read_photo(photo))
            decisions.append(generator.decide([photos_nchw(photo_hwc[None], "cpu")]))
        except PhotoError as error:  # one odd photo does not stop the others
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
    """The output for flat areas of each colour, (1, 3, side², side) like `_colours`, 0–1."""
    halo_px = int(generator.detail.halo_px)  # type: ignore[arg-type]
    side = 2 * halo_px + 1  # the receptive field of the pixel in the middle
    coloured = generator.colour(_colours(level), decision)
    areas = coloured[0].permute(1, 2, 0)[..., None, None].expand(-1, -1, -1, side, side)
    middle = []
    for row in areas:
        middle.append(generator.detail(row)[..., halo_px, halo_px])
        progress.update()
    return torch.stack(middle).permute(2, 0, 1)[None].clamp(0, 1)


def _colours(level: torch.Tensor) -> torch.Tensor:
    """Each colour of these levels, photos_nchw (1, 3, side², side): red changes fastest, blue slowest."""
    blue, green, red = torch.meshgrid(level, level, level, indexing="ij")
    return torch.stack([red, green, blue]).flatten(1, 2)[None]


def _looked_up(table: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Interpolate as other programs do."""
    return interpolate(table.view(1, 3, SIDE, SIDE, SIDE).transpose(2, 4), _colours(level))


def _header(model: Model, photos: int) -> bytes:
    """A title is one line in quotes, without a way to escape a quote."""
    camera = "".join(
        c for c in str(model.config.get("camera", "")) if c.isascii() and c.isprintable() and c != '"'
    )
    return (
        f'TITLE "{camera or "WESPE"}"\n'
        f"# colours of the model {model.sha256}, decided for {photos or 'no'} photos; sRGB in, sRGB out\n"
        f"LUT_3D_SIZE {SIDE}\nDOMAIN_MIN 0.0 0.0 0.0\nDOMAIN_MAX 1.0 1.0 1.0\n"
    ).encode()


def _rows(table: torch.Tensor) -> bytes:
    """One colour a line, red fastest."""
    lines = io.BytesIO()
    np.savetxt(lines, table[0].flatten(1).T.numpy(), fmt=DIGITS)
    return lines.getvalue()
