"""A training checkpoint: the state to resume from, and the current model."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from pipeline.files import write_atomically
from pipeline.models.model_files import save_model
from pipeline.training.run import Run
from wespe.guard import Guard
from wespe.learner import Learner

STATE = "state.safetensors"
HISTORY = "history.json"
MODEL = "model"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run. All contexts write the same files, so each can resume another's run."""

    learner: Learner
    guard: Guard
    run: Run
    history: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write the state, the history of records and the model."""
        learner = self.learner
        save_model(folder / MODEL, learner.generator, self.run.method, self._facts(), learner.start)
        state = {f"learner/{name}": value for name, value in self.learner.state_dict().items()}
        state |= {f"guard/{name}": value for name, value in self.guard.state_dict().items()}
        state["rng"] = torch.get_rng_state()
        state["bfloat16"] = torch.tensor(self.learner.bfloat16)
        state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        write_atomically(folder / STATE, save(state))
        write_atomically(folder / HISTORY, json.dumps(self.history).encode())

    def read(self, folder: Path) -> None:
        """Restore the state from the files of `write`, in place."""
        state = load_file(folder / STATE)
        torch.set_rng_state(state["rng"])
        self.learner.bfloat16 = bool(state["bfloat16"])  # keep the precision even on another machine
        for part, prefix in ((self.learner, "learner/"), (self.guard, "guard/")):
            part.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
        self.history[:] = json.loads((folder / HISTORY).read_bytes())

    def _facts(self) -> dict[str, Any]:
        run = self.run
        return {
            "camera": run.camera,
            "target": run.target,
            "step": self.learner.step,
            "rollbacks": self.guard.rollbacks,
            "size_px": run.size_px,
            "learner": asdict(run.learner),
            "guard": asdict(run.guard),
            "training": asdict(run.training),
            "data": dict(run.data),
            **({"data_sets": list(run.data_sets)} if run.data_sets else {}),
        }
