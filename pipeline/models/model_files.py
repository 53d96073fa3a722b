"""Writes a model folder: safetensors weights, and config.json, from which the network is rebuilt."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from pipeline.files import write_atomically
from pipeline.layout import CONFIG, WEIGHTS
from wespe.methods import MethodConfig

FORMAT = 1


def save_model(folder: Path, generator: nn.Module, method: MethodConfig, facts: Mapping[str, Any]) -> None:
    """Write the weights, then config.json with the method's settings and `facts` (camera, data …)."""
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
