"""Exports a model as one ONNX file for photos of any size; onnxruntime runs it without torch or this project.

Input: `photos_nchw`, one sRGB photo (1, 3, height, width), float32 0–1. Output: `enhanced_nchw`, in the same
format. The file's metadata contain this description and identify the model (see `_facts`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.files import write_atomically
from pipeline.models.model_folder import Model
from pipeline.photos.images import read_photo
from pipeline.sources.demo import Demo
from wespe.batch import photos_nchw
from wespe.generator import Generator
from wespe.tiling import reach_px

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUT, OUTPUT = "photos_nchw", "enhanced_nchw"
OPSET = 20  # the first with a three-dimensional GridSample
LEAST_PX = 16  # networks that downsample several times need at least this side
TRACED_PX = (256, 320)
CHECKED_PX = ((33, 64), (211, 157), (357, 411))  # odd sizes, and one larger than TRACED_PX
# In levels of 255. At most 0.0003 was measured; other processors may sum in a different order.
TOLERANCE_LEVELS = 0.05


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Maximum difference between onnxruntime and torch on one photo, in levels of 255.

    levels: before rounding. rounded: after rounding to 8 bits.
    """

    height: int
    width: int
    levels: float
    rounded: float


@dataclass(frozen=True, kw_only=True)
class Export:
    """An exported file. least_px: the smallest side of a photo that it accepts."""

    bytes: int
    least_px: int
    differences: tuple[Difference, ...]


def export_model(model: Model, path: Path) -> Export:
    """Write a model on the CPU as an ONNX file, after checking that it gives the same results as torch.

    Raises: PipelineError if a package is missing, the generator cannot be converted, or results differ.
    """
    _need_packages()
    if path.is_dir():
        raise PipelineError(f"{path}: is a folder; name a file such as {path / 'model.onnx'}")
    if path.exists() and path.suffix.lower() != ".onnx":  # perhaps a photo
        raise PipelineError(f"{path}: exists already and is not an .onnx file; choose another name")
    try:
        traced = _traced(model.generator)
        program = _program(traced)
    except Exception as error:  # torch has no common exception for unsupported models
        raise PipelineError(
            f"this model cannot be converted to ONNX, use it with torch: {_first_line(error)}"
        ) from error
    least_px = max(LEAST_PX, *(int(side.lower) for side in traced.range_constraints.values()))
    data = _file(program, _facts(model, least_px))
    differences = tuple(_differences(model.generator, data, least_px))
    for found in differences:
        if not found.levels <= TOLERANCE_LEVELS:  # true for NaN as well
            raise PipelineError(
                f"nothing written: onnxruntime differs from torch by {found.levels:.3g} of 255 levels at "
                f"{found.width}×{found.height} px, more than {TOLERANCE_LEVELS}; use the model with torch"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return Export(bytes=len(data), least_px=least_px, differences=differences)


class ClampedGenerator(nn.Module):
    """A generator with output clamped to 0–1, which rejects photos with a side below LEAST_PX.

    ONNX has no assertions; an index that is out of range for smaller photos makes every runtime fail.
    """

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        last = torch.tensor([LEAST_PX - 1])
        present = photos_nchw[:, :1].index_select(2, last).index_select(3, last)
        return self.generator(photos_nchw).clamp(0, 1) + present * 0


def average_pool(photos_nchw: torch.Tensor, bins: tuple[int, int]) -> torch.Tensor:
    """Replace `adaptive_avg_pool2d` for any size.

    The ONNX export of torch 2.15 would fix its bins to those of the traced size.
    """
    rows, columns = map(_shares, photos_nchw.shape[-2:], bins)
    return rows @ photos_nchw @ columns.T


def average_pool_1d(rows: torch.Tensor, bins: tuple[int]) -> torch.Tensor:
    """Replace `adaptive_avg_pool1d` for any size."""
    return rows @ _shares(rows.shape[-1], *bins).T


def _shares(size: int, bins: int) -> torch.Tensor:
    """Return the weight of each position in each bin, (bins, size)."""
    number, place = torch.arange(bins)[:, None], torch.arange(size)
    start, stop = number * size // bins, ((number + 1) * size + bins - 1) // bins
    return ((start <= place) & (place < stop)) / (stop - start)


def instance_norm(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    running_mean: None,
    running_var: None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> torch.Tensor:
    """Replace torch's instance norm, with means of means.

    onnxruntime's InstanceNormalization sums pixels one by one in float32: on 12 megapixels its error is 0.002
    standard deviations.
    """
    assert use_input_stats
    centred = features - _mean(features)
    scale = weight[:, None, None] / (_mean(centred.square()) + eps).sqrt()
    return centred * scale + bias[:, None, None]


def _mean(features: torch.Tensor) -> torch.Tensor:
    return features.mean(3, keepdim=True).mean(2, keepdim=True)


def _need_packages() -> None:
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError:
            raise PipelineError(f"the package {name} is missing: pip install 'wespe[onnx]'") from None


def _traced(generator: Generator) -> torch.export.ExportedProgram:
    """Trace the generator with dynamic height and width."""
    photos, size = torch.zeros(1, 3, *TRACED_PX), dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    traced = torch.export.export(ClampedGenerator(generator), (photos,), dynamic_shapes=(size,))
    return traced.run_decompositions(
        {
            torch.ops.aten.adaptive_avg_pool1d.default: average_pool_1d,
            torch.ops.aten.adaptive_avg_pool2d.default: average_pool,
            torch.ops.aten.instance_norm.default: instance_norm,
        }
    )


def _program(traced: torch.export.ExportedProgram) -> torch.onnx.ONNXProgram:
    program = torch.onnx.export(
        traced,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({2: "height", 3: "width"},),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    return program


def _facts(model: Model, least_px: int) -> dict[str, str]:
    """Return the file's metadata: its input format, and the model's identity.

    halo_px: the margin that tiles need; missing if the model needs the whole photo.
    """
    whole = model.generator.decides or any(
        isinstance(module, nn.InstanceNorm2d) for module in model.generator.modules()
    )
    halo_px = None if whole else reach_px(model.generator)
    return {
        "camera": str(model.config.get("camera", "")),
        "method": model.config["method"]["name"],
        "model_sha256": model.sha256,
        "wespe_version": version("wespe"),
        "layout": "NCHW, one RGB photo",
        "colour_space": "sRGB",
        "value_range": "0 to 1",
        "least_px": str(least_px),
    } | ({} if halo_px is None else {"halo_px": str(halo_px)})


def _file(program: torch.onnx.ONNXProgram, facts: dict[str, str]) -> bytes:
    """Serialise without the exporter's debugging notes, which contain paths of this machine."""
    from onnx.helper import set_model_props  # only needed for the export

    proto = program.model_proto
    set_model_props(proto, facts)
    graph = proto.graph
    graph.ClearField("metadata_props")
    graph.ClearField("value_info")
    for noted in chain(graph.node, graph.initializer, graph.input, graph.output):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    return proto.SerializeToString(deterministic=True)


def _differences(generator: Generator, data: bytes, least_px: int) -> Iterator[Difference]:
    """Run the file on real photos, one per size."""
    photos = Demo(kind="demo", half="target").fetch(Path(), "")
    for (height, width), photo in zip(CHECKED_PX, photos, strict=False):
        yield _difference(
            generator, data, read_photo(photo.path)[: max(height, least_px), : max(width, least_px)]
        )


@torch.inference_mode()
def _difference(generator: Generator, data: bytes, photo_hwc: np.ndarray) -> Difference:
    photos = photos_nchw(torch.tensor(photo_hwc)[None], "cpu")
    wanted = generator(photos).clamp(0, 1).numpy() * 255
    found = _run(data, photos.numpy()) * 255
    height, width, _ = photo_hwc.shape
    return Difference(
        height=height,
        width=width,
        levels=float(np.abs(found - wanted).max()),
        rounded=float(np.abs(found.round() - wanted.round()).max()),
    )


def _run(data: bytes, photos: np.ndarray) -> np.ndarray:
    from onnxruntime import InferenceSession  # only needed for the export

    try:
        session = InferenceSession(data, providers=["CPUExecutionProvider"])
        [enhanced] = session.run([OUTPUT], {INPUT: photos})
    except Exception as error:  # onnxruntime has no common exception
        raise PipelineError(
            f"nothing written: onnxruntime cannot run the model: {_first_line(error)}"
        ) from error
    return enhanced


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
