"""Everything that determines the result of training."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.patches.settings import WHOLE_PX
from pipeline.patches.shards import WHOLE
from pipeline.training.settings import Training
from wespe.guard import GuardConfig
from wespe.learner import LearnerConfig
from wespe.methods import METHODS, MethodConfig


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run of a camera.

    camera, target: their names in params.yaml.
    data: digests of the patches by set; empty if the run is never resumed.
    data_sets: facts about the public data sets among them, such as their licences; training ignores them.
    """

    camera: str
    target: str
    data: Mapping[str, str]
    size_px: int
    method: MethodConfig
    learner: LearnerConfig
    guard: GuardConfig
    training: Training
    data_sets: tuple[Mapping[str, str], ...] = ()

    @property
    def paired(self) -> bool:
        """Whether the method learns from pairs of patches and truths, instead of the target's patches."""
        return METHODS[self.method.name].method.paired

    @property
    def whole_photos(self) -> bool:
        """Whether the method learns from whole photos, reduced to squares, instead of patches."""
        return METHODS[self.method.name].method.whole_photos

    @property
    def picture_px(self) -> int:
        """Side of the patches, or of the whole photos, that the method learns from."""
        return WHOLE_PX if self.whole_photos else self.size_px

    @property
    def needs_whole(self) -> bool:
        """Whether samples of both sets must contain whole photos, reduced to squares."""
        return METHODS[self.method.name].method.needs_whole

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams; a stream's order depends on its name and the seed."""
        patches = ("pairs",) if self.paired else ("source", "target")
        learns_from_whole = METHODS[self.method.name].method.learns_from_whole(self.method)
        return (*patches, WHOLE) if learns_from_whole else patches

    @property
    def rows(self) -> int:
        """Number of patches, or of whole photos, needed from each stream."""
        return max(1, self.training.steps) * self.training.batch_size
