"""Write a model folder: safetensors weights, and the config.json that rebuilds the network from them."""

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
