"""What decides the result of a training."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.training.settings import Training
from wespe.guard import GuardConfig
from wespe.learner import LearnerConfig
from wespe.methods import METHODS, MethodConfig


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of one camera.

    camera, target: their names in params.yaml. data: digests of the patches by set, empty where nothing
        resumes.
    """

    camera: str
    target: str
    data: Mapping[str, str]
    size_px: int
    method: MethodConfig
    learner: LearnerConfig
    guard: GuardConfig
    training: Training

    @property
    def paired(self) -> bool:
        """Whether patches come with their truths, in place of the target's patches."""
        return METHODS[self.method.name].method.paired

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams it learns from; a stream's order follows from its name and the seed."""
        return ("pairs",) if self.paired else ("source", "target")

    @property
    def rows(self) -> int:
        """Patches that it takes from each stream, those that fit its start included."""
        start = getattr(self.method, "start_patches", 0)
        return max(self.training.steps * self.training.batch_size, start + self.training.batch_size)
