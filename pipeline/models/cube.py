"""A model's colours as a .cube file: the 3-D LUT that programs for photos and films read (Adobe, 2013).

It holds what a `lut_residual` model makes of a flat area of each colour: all of its colour part, and of its
detail only what that does to colour, since training may put much of it there. The values are sRGB as photos
store it. What a model decides per photo is the mean over the photos that are given: of one photo its own, of
a camera's photos the camera's. Without any it is neutral: brightness and contrast stay as the camera's curves
leave them, and the LUTs are mixed as for a photo that shows every colour once.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import PipelineError
from pipeline.files import write_atomically
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
    """What became of a model's colours.

    mean, most: how far the file's are from them in levels of 255, over the colours that are the farthest from
        its lattice.
    """

    bytes: int
    mean: float
    most: float


def export_cube(model: Model, path: Path, photos: Sequence[Path] = ()) -> Cube:
    """Write the colours of a model that lies on the CPU, as decided for these photos or for none.

    Raises: PipelineError when the model's method has no colours apart from its detail, PhotoError.
    """
    generator = model.generator
    if not isinstance(generator, LutResidual):
        raise PipelineError(
            f"{path}: a .cube file holds colours alone, which a model of {model.config['method']['name']} "
            "does not keep apart; name an .onnx file"
        )
    if path.is_dir():
        raise PipelineError(f"{path}: is a folder; name a file such as {path / 'model.cube'}")
    decision = _average(generator, map(read_photo, photos)) if photos else _neutral(generator)
    lattice = torch.linspace(0, 1, SIDE)
    table = _flat_areas(generator, decision, lattice)
    midway = (lattice[1:] + lattice[:-1]) / 2
    difference = _looked_up(table, midway) - _flat_areas(generator, decision, midway)
    data = _header(model, len(photos)) + _rows(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    levels = difference.abs() * 255
    return Cube(bytes=len(data), mean=levels.mean().item(), most=levels.max().item())


def photos_in(path: Path) -> list[Path]:
    """A photo, or all of a folder and its sub-folders. Raises PipelineError when there is none."""
    if not path.is_dir():
        return [path]
    found = sorted(photo for photo in path.rglob("*") if is_photo(photo.name))
    if not found:
        raise PipelineError(f"{path}: no photo in it; name a photo, or a folder of the camera's photos")
    return found


@torch.inference_mode()
def _average(generator: LutResidual, photos_hwc: Iterable[np.ndarray]) -> Decision:
    decisions = [generator.decide([photos_nchw(torch.tensor(one)[None], "cpu")]) for one in photos_hwc]
    return Decision(*(torch.cat(parts).mean(0, keepdim=True) for parts in zip(*decisions, strict=True)))


@torch.inference_mode()
def _neutral(generator: LutResidual) -> Decision:
    decision = generator.decide([_colours(torch.linspace(0, 1, SIDE))])
    return decision._replace(gain=torch.ones_like(decision.gain), shift=torch.zeros_like(decision.shift))


@torch.inference_mode()
def _flat_areas(generator: LutResidual, decision: Decision, level: torch.Tensor) -> torch.Tensor:
    """What becomes of flat areas, (1, 3, side², side) like `_colours`, 0–1."""
    halo_px = generator.detail.halo_px
    side = 2 * halo_px + 1  # all that the detail of the pixel in the middle sees
    coloured = generator.colour(_colours(level), decision)
    areas = coloured[0].permute(1, 2, 0)[..., None, None].expand(-1, -1, -1, side, side)
    middle = [generator.detail(row)[..., halo_px, halo_px] for row in areas]
    return torch.stack(middle).permute(2, 0, 1)[None].clamp(0, 1)


def _colours(level: torch.Tensor) -> torch.Tensor:
    """Each colour of these levels, photos_nchw (1, 3, side², side): red changes fastest, blue slowest."""
    blue, green, red = torch.meshgrid(level, level, level, indexing="ij")
    return torch.stack([red, green, blue]).flatten(1, 2)[None]


def _looked_up(table: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """As other programs do."""
    return interpolate(table.view(1, 3, SIDE, SIDE, SIDE).transpose(2, 4), _colours(level))


def _header(model: Model, photos: int) -> bytes:
    """A title is one line in quotes, and knows no way to have one inside."""
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
