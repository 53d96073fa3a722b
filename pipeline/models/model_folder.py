"""Loads a model folder: safetensors weights, and config.json, so that params.yaml is not needed."""

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.errors import CheckpointError, PhotoError
from pipeline.layout import CONFIG, CONFIG_FORMAT, START, WEIGHTS
from pipeline.models.memory import give_back, keep_freed
from pipeline.photos.colour_profile import Colours
from wespe.generator import Generator
from wespe.methods import METHODS, MethodConfig, build_generator
from wespe.precision import Bfloat16Generator, suits_bfloat16
from wespe.tiling import Tiling, TooLarge

GPU_BYTES = 2 * 2**30
# For a total of 2 GiB: the rest is left for decoding and encoding. More than MOST_BYTES is not faster.
CPU_BYTES, MOST_BYTES, LEAST_BYTES = 1_600 * 2**20, 768 * 2**20, 128 * 2**20


LARGE_BYTES = 128 * 2**20  # while a photo of this size is in memory, freed memory is returned at once


@dataclass(frozen=True)
class Model:
    """A loaded generator, its config.json, and the sha256 of its weights."""

    generator: Generator
    config: Mapping[str, Any]
    sha256: str
    _gpu: Lock = field(default_factory=Lock, repr=False, compare=False)

    @cached_property
    def tiling(self) -> Tiling:
        return Tiling(self.generator)

    @cached_property
    def quick_tiling(self) -> Tiling:
        """For 8-bit photos: in bfloat16, if that is fast here and accurate to one level."""
        return Tiling(Bfloat16Generator(self.generator)) if suits_bfloat16(self.generator) else self.tiling

    @torch.inference_mode()
    def decide(self, photo_hwc: np.ndarray) -> Any:
        """Return the decision for a photo_hwc of uint8, for `enhance`; None if the generator makes none."""
        height, width, _ = photo_hwc.shape
        canvas = Canvas(photo_hwc, photo_hwc, 1.0, None, next(self.generator.parameters()).device)
        return self.quick_tiling.decide(canvas.read, height, width, self.budget_bytes(photo_hwc))

    @torch.inference_mode()
    def enhance(
        self,
        photo_hwc: np.ndarray,
        *,
        strength: float = 1.0,
        colours: Colours | None = None,
        budget_bytes: int = 0,
        tile_px: int = 0,
        decision: Any = None,
    ) -> np.ndarray:
        """Enhance one photo_hwc, uint8 or uint16; the result has the same shape and type.

        strength: 0–1; 0 returns the photo unchanged.
        colours: the photo's colour space if it is not sRGB. The part of a colour outside sRGB is preserved.
        budget_bytes: memory for the network; a photo that needs more is enhanced in tiles. 0: automatic.
        tile_px: enhance in tiles of this side, regardless of the budget; 0: automatic.
        decision: what `decide` returned, or a mean of such; by default the photo's own.
        Raises PhotoError if the photo needs more memory and the generator cannot work in tiles.
        """
        height, width, _ = photo_hwc.shape
        enhanced = np.empty_like(photo_hwc)
        canvas = Canvas(photo_hwc, enhanced, strength, colours, next(self.generator.parameters()).device)
        budget_bytes = budget_bytes or self.budget_bytes(photo_hwc)
        if decision is None:
            give_back()  # memory freed by decoding
        try:
            with (
                self._gpu if canvas.device.type != "cpu" else nullcontext()
            ):  # one photo at a time may use the GPU's memory
                tiling = self.quick_tiling if photo_hwc.dtype == np.uint8 else self.tiling
                if tile_px:
                    tiling.enhance_tiles(canvas.read, canvas.write, height, width, tile_px)
                else:
                    tiling.enhance(canvas.read, canvas.write, height, width, budget_bytes, decision)
        except TooLarge as error:
            raise PhotoError(
                f"{height * width / 1e6:.1f} megapixels; the model needs the whole photo at once, and memory "
                f"suffices for {error.pixels / 1e6:.1f}: use --max-megapixels, or train with another preset "
                "(wespe-stable)"
            ) from None
        finally:
            if decision is None:  # a film's next frame takes the same memory again, a quarter faster
                give_back()
        return enhanced

    @torch.inference_mode()
    def explain(self, photo_hwc: np.ndarray, colours: Colours | None = None) -> dict[str, Any]:
        """Return what the generator decides for a photo in readable terms; {} if it has none."""
        if type(self.generator).explain is Generator.explain:
            return {}  # do not decide again for nothing
        canvas = Canvas(photo_hwc, photo_hwc, 1.0, colours, next(self.generator.parameters()).device)
        height, width, _ = photo_hwc.shape
        decision = self.tiling.decide(canvas.read, height, width, self.budget_bytes(photo_hwc))
        return self.generator.explain(decision)

    def budget_bytes(self, photo_hwc: np.ndarray) -> int:
        """Return the memory for the network; on a CPU, the photo before and after is subtracted."""
        if next(self.generator.parameters()).device.type != "cpu":
            return GPU_BYTES
        return max(LEAST_BYTES, min(MOST_BYTES, CPU_BYTES - 2 * photo_hwc.nbytes))


@dataclass(frozen=True)
class Canvas:
    """A photo and its enhanced version, read and written by area in the network's format."""

    photo_hwc: np.ndarray
    enhanced_hwc: np.ndarray
    strength: float
    colours: Colours | None
    device: torch.device

    def read(self, rows: slice, columns: slice) -> torch.Tensor:
        """Return an area in channels-last format, which is the photo's own and fastest for convolutions."""
        if self.photo_hwc.nbytes > LARGE_BYTES:
            give_back()  # otherwise fragmentation by hundreds of tiles adds up to gigabytes
        native = self._native(rows, columns)
        srgb = self.colours.srgb(native) if self.colours else native
        return srgb.contiguous(memory_format=torch.channels_last)

    def write(self, rows: slice, columns: slice, enhanced: torch.Tensor) -> None:
        enhanced = enhanced.clamp(0, 1)
        if self.colours:
            enhanced = self.colours.native(enhanced).add_(
                self.colours.beyond_srgb(self._native(rows, columns))
            )
            enhanced.clamp_(0, 1)
        if self.strength != 1:
            enhanced.mul_(self.strength).add_(self._native(rows, columns), alpha=1 - self.strength)
        levels = enhanced.mul_(self._levels).round_()[0].permute(1, 2, 0)
        # Convert on the device: a GPU then sends a quarter of the bytes.
        integers = levels.to(torch.from_numpy(self.enhanced_hwc[:0]).dtype)
        self.enhanced_hwc[rows, columns] = integers.cpu().numpy()

    def _native(self, rows: slice, columns: slice) -> torch.Tensor:
        area = np.ascontiguousarray(self.photo_hwc[rows, columns])
        values = torch.tensor(area if area.dtype == np.uint8 else area.astype(np.int32)).to(self.device)
        # Add the batch dimension before permuting, or torch does not recognise the channels-last format.
        return values[None].permute(0, 3, 1, 2).float().div_(self._levels)

    @property
    def _levels(self) -> int:
        return np.iinfo(self.photo_hwc.dtype).max


def load_model(folder: Path, device: str = "cpu") -> Model:
    """Rebuild the generator from config.json and check its weights. Raises CheckpointError."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder} contains no model ({error}); train one with `dvc repro`") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / CONFIG}: is not a valid model configuration; fetch it again")
    if sha256 != config.get("weights_sha256"):
        raise CheckpointError(f"{folder / WEIGHTS}: its sha256 differs from {CONFIG}; fetch it again")
    _require_known(config, folder)
    try:
        generator = build_generator(method_config(config["method"]))
        generator.load_state_dict(load_file(folder / WEIGHTS))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder}: config and weights are incompatible with this version: {reason}"
        ) from None
    keep_freed()
    return Model(generator.eval().requires_grad_(False).to(device), config, sha256)


def _require_known(config: Mapping[str, Any], folder: Path) -> None:
    """Raise CheckpointError if a newer version has made the model."""
    number, method = config.get("format"), config.get("method")
    name = method.get("name") if isinstance(method, Mapping) else None
    newer = isinstance(number, int) and number > CONFIG_FORMAT
    if newer or (isinstance(name, str) and name not in METHODS):
        what = f"format {number}" if newer else f"method {name[:40]!r}"  # type: ignore[index]
        raise CheckpointError(f"{folder}: {what} is unknown to this version of wespe; update wespe")


def load_start(folder: Path, model: Model) -> Model:
    """Return the model as it was before its first training step. Raises CheckpointError."""
    generator = copy.deepcopy(model.generator)
    try:
        generator.load_state_dict(load_file(folder / START))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{folder / START}: {reason}; run `dvc repro` to train it again") from None
    return Model(generator, model.config, model.sha256)


def method_config(settings: Mapping[str, Any]) -> MethodConfig:
    """Rebuild the dataclass from the result of `dataclasses.asdict`."""
    return _rebuild(METHODS[settings["name"]].config, settings)


def _rebuild(kind: type, settings: Mapping[str, Any]) -> Any:
    nested = {f.name: f.type for f in dataclasses.fields(kind) if dataclasses.is_dataclass(f.type)}
    values = {k: _rebuild(nested[k], v) if k in nested else v for k, v in settings.items()}  # type: ignore[arg-type]
    return kind(**values)
