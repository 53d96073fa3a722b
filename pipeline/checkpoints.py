"""A model folder: safetensors weights and the config.json that rebuilds the network without params.yaml."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pipeline.errors import CheckpointError
from pipeline.files import write_atomically
from pipeline.layout import CONFIG, WEIGHTS
from wespe.batch import photos_nchw
from wespe.methods import METHODS, MethodConfig, build_generator

FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A generator ready to enhance, what config.json says of it, and the sha256 of its weights."""

    generator: nn.Module
    config: Mapping[str, Any]
    sha256: str

    @torch.inference_mode()
    def enhance(self, photo_hwc: np.ndarray) -> np.ndarray:
        """Enhance one uint8 sRGB photo_hwc; the result has the same shape and type."""
        device = next(self.generator.parameters()).device
        source = photos_nchw(torch.tensor(photo_hwc)[None], device)
        enhanced = self.generator(source).clamp_(0, 1).mul_(255).round_().byte()
        return enhanced[0].permute(1, 2, 0).cpu().numpy()


def save_model(folder: Path, generator: nn.Module, method: MethodConfig, facts: Mapping[str, Any]) -> None:
    """Write weights, then config.json: `facts` (camera, data, training …) beside the method's settings."""
    weights = save({name: value.cpu().contiguous() for name, value in generator.state_dict().items()})
    config = {
        "format": FORMAT,
        "method": dataclasses.asdict(method),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **facts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2).encode() + b"\n")


def load_model(folder: Path, device: str = "cpu") -> Model:
    """Rebuild the generator from config.json and check its weights. Raises CheckpointError."""
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"no model in {folder} ({error}); train one with `dvc repro`") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != config.get("weights_sha256"):
        raise CheckpointError(f"{folder / WEIGHTS}: its sha256 is not the one in {CONFIG}; fetch it again")
    try:
        generator = build_generator(method_config(config["method"]))
        generator.load_state_dict(load_file(folder / WEIGHTS))
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{folder}: config and weights do not fit this version: {reason}") from None
    return Model(generator.eval().requires_grad_(False).to(device), config, sha256)


def method_config(settings: Mapping[str, Any]) -> MethodConfig:
    """The dataclass that `dataclasses.asdict` made `settings` from."""
    return _rebuild(METHODS[settings["name"]].config, settings)


def _rebuild(kind: type, settings: Mapping[str, Any]) -> Any:
    nested = {f.name: f.type for f in dataclasses.fields(kind) if dataclasses.is_dataclass(f.type)}
    values = {k: _rebuild(nested[k], v) if k in nested else v for k, v in settings.items()}  # type: ignore[arg-type]
    return kind(**values)
