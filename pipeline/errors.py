"""The errors a user can cause or meet, as one small tree.

    PipelineError              what, where, and what to do next, in one line
    ├── ParamsError            params.yaml is wrong
    ├── SourceError            photos cannot be fetched
    ├── PhotoError             one photo cannot be read (becomes a manifest row with a reason)
    ├── ShardError             patches cannot be cut, written or read back
    ├── TrainingError          a run cannot start or go on
    ├── CheckpointError        a model folder or checkpoint cannot be read
    ├── RegistryError          MLflow cannot be reached or has no such model
    └── EnhancementError       a batch job cannot start, or too many photos failed

Bugs of our own are `assert`s and plain exceptions; they keep their traceback.
"""


class PipelineError(Exception):
    pass


class ParamsError(PipelineError):
    pass


class SourceError(PipelineError):
    pass


class PhotoError(PipelineError):
    pass


class ShardError(PipelineError):
    pass


class TrainingError(PipelineError):
    pass


class CheckpointError(PipelineError):
    pass


class RegistryError(PipelineError):
    pass


class EnhancementError(PipelineError):
    pass
