"""Writes a model folder: safetensors weights, and config.json, from which the network is rebuilt."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from pipeline.files import write_atomically
from pipeline.layout import CONFIG, CONFIG_FORMAT, START, WEIGHTS
from wespe.methods import MethodConfig


def save_model(
    folder: Path,
    generator: nn.Module,
    method: MethodConfig,
    facts: Mapping[str, Any],
    start: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the weights, then config.json with the method's settings and `facts` (camera, data …).

    start: the generator's weights before training, for evaluation.
    """
    weights = _serialised(generator.state_dict())
    config = {
        "format": CONFIG_FORMAT,
        "method": dataclasses.asdict(method),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **facts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    if start is not None:
        write_atomically(folder / START, _serialised(start))
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2).encode() + b"\n")


def _serialised(state: Mapping[str, torch.Tensor]) -> bytes:
    return save({name: value.cpu().contiguous() for name, value in state.items()})
