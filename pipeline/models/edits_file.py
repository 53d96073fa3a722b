"""Reads a list of edits, as `wespe explain` prints it, as a model that makes them on every photo."""

import hashlib
import json
from pathlib import Path

from pipeline.errors import CheckpointError
from pipeline.models.model_folder import Model, load_model
from wespe.edits import EditList

SUFFIX, MOST_EDITS = ".json", 100
EXAMPLE = '{"edits": [{"edit": "gamma", "power": 0.8}]}'


def load_model_or_edits(path: Path, device: str = "cpu") -> Model:
    """Load a model folder, or a .json file of edits. Raises CheckpointError that tells what is invalid."""
    return load_edits(path, device) if path.suffix == SUFFIX and path.is_file() else load_model(path, device)


def load_edits(file: Path, device: str = "cpu") -> Model:
    """Return the model; its name is the file's. Raises CheckpointError that tells which edit is invalid."""
    try:
        data = file.read_bytes()
        decided = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} is not JSON ({error}); make one with `wespe explain`") from None
    edits = decided.get("edits") if isinstance(decided, dict) else None
    if not isinstance(edits, list) or not 1 <= len(edits) <= MOST_EDITS:
        raise CheckpointError(f"{file} must have 1 to {MOST_EDITS} edits, such as {EXAMPLE}")
    try:
        generator = EditList(edits)
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}") from None
    return Model(generator.eval().to(device), {"name": file.stem}, hashlib.sha256(data).hexdigest())
