"""A model as one ONNX file: photos of any size, run by onnxruntime anywhere, without torch and this project.

It takes `photos_nchw`, one sRGB photo (1, 3, height, width), float32 0–1, and gives `enhanced_nchw`, the
same. Its metadata say so too, beside which model it is (see `_facts`).
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
OPSET = 20  # the first whose GridSample looks things up in three dimensions
LEAST_PX = 16  # below, networks that halve a photo several times have nothing left to look at
TRACED_PX = (256, 320)
CHECKED_PX = ((33, 64), (211, 157), (357, 411))  # odd ones, and one larger than what was traced
# Of 255. Measured were at most 0.0003; other processors add up in another order.
TOLERANCE_LEVELS = 0.05


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between onnxruntime and torch on one photo, at most: of the values, in levels of 255, and in 8 bits."""

    height: int
    width: int
    levels: float
    rounded: float


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What became of a model. least_px: a side of the smallest photo that the file takes."""

    bytes: int
    least_px: int
    differences: tuple[Difference, ...]


def export_model(model: Model, path: Path) -> Exported:
    """Write a model that lies on the CPU as an ONNX file, once it gives what torch gives on photos.

    Raises: PipelineError when a package is missing, a generator has no ONNX form, or its results differ.
    """
    _need_packages()
    if path.is_dir():
        raise PipelineError(f"{path}: is a folder; name a file such as {path / 'model.onnx'}")
    if path.exists() and path.suffix.lower() != ".onnx":  # a photo, by mistake
        raise PipelineError(f"{path}: is there already, and no .onnx by its name; name another")
    try:
        traced = _traced(model.generator)
        program = _program(traced)
    except Exception as error:  # torch has no one name for what it cannot follow
        raise PipelineError(f"use it with torch, it has no ONNX form: {_first_line(error)}") from error
    least_px = max(LEAST_PX, *(int(side.lower) for side in traced.range_constraints.values()))
    data = _file(program, _facts(model, least_px))
    differences = tuple(_differences(model.generator, data, least_px))
    for found in differences:
        if not found.levels <= TOLERANCE_LEVELS:  # also when it is not a number
            raise PipelineError(
                f"nothing written, onnxruntime is {found.levels:.3g} of 255 levels from torch at "
                f"{found.width}×{found.height} px, and {TOLERANCE_LEVELS} are allowed; use it with torch"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return Exported(bytes=len(data), least_px=least_px, differences=differences)


class Clamped(nn.Module):
    """A generator whose results are photos: 0–1, and that takes none below LEAST_PX a side.

    ONNX has no assertion. An index that a smaller photo lacks makes every runtime refuse it.
    """

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, photos_nchw: torch.Tensor) -> torch.Tensor:
        last = torch.tensor([LEAST_PX - 1])
        present = photos_nchw[:, :1].index_select(2, last).index_select(3, last)
        return self.generator(photos_nchw).clamp(0, 1) + present * 0


def average_pool(photos_nchw: torch.Tensor, bins: tuple[int, int]) -> torch.Tensor:
    """Do what `adaptive_avg_pool2d` does, for any size.

    What torch 2.15 makes of that for ONNX keeps the bins of the size that was traced.
    """
    rows, columns = map(_shares, photos_nchw.shape[-2:], bins)
    return rows @ photos_nchw @ columns.T


def _shares(size: int, bins: int) -> torch.Tensor:
    """How much of each bin a place is, (bins, size)."""
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
    """Do what torch's does, with means of means.

    onnxruntime's InstanceNormalization adds a photo's pixels up one by one: of 12 megapixels in float32, it
    loses two thousandths of a deviation.
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
    """Leave the photo's height and width open."""
    photos, size = torch.zeros(1, 3, *TRACED_PX), dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    traced = torch.export.export(Clamped(generator), (photos,), dynamic_shapes=(size,))
    return traced.run_decompositions(
        {
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
    """What a user of the file must know, and which model it is.

    halo_px: what a tile of a photo needs around it; not there when the model must see the photo whole.
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
    """Leave out what the exporter noted for its own authors: paths of this machine among it."""
    from onnx.helper import set_model_props  # a package that only an export needs

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
    from onnxruntime import InferenceSession  # a package that only an export needs

    try:
        session = InferenceSession(data, providers=["CPUExecutionProvider"])
        [enhanced] = session.run([OUTPUT], {INPUT: photos})
    except Exception as error:  # onnxruntime has no one name for what goes wrong
        raise PipelineError(f"nothing written, onnxruntime cannot run it: {_first_line(error)}") from error
    return enhanced


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
