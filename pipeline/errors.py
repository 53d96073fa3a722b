"""Errors for users. Each message says in one line what is wrong, where, and what to do next.

    PipelineError
    ├── ParamsError            params.yaml is invalid
    ├── SourceError            photos cannot be fetched
    ├── PhotoError             one photo cannot be read (becomes a manifest row with a reason)
    ├── FilmError              one film cannot be read or written
    ├── StoreError             the object store of WESPE_STORE cannot be used
    ├── ShardError             patches cannot be cut, written or read back
    ├── TrainingError          training cannot start, or has failed
    ├── CheckpointError        a model folder or checkpoint cannot be read
    ├── FleetError             some of many cameras failed
    ├── RegistryError          MLflow cannot be reached, or has no such model
    ├── ZooError               a zoo of models cannot be read or published to
    └── EnhancementError       a batch job cannot start, or too many photos failed

Bugs of this project raise AssertionError or other exceptions, and are shown with their traceback.
"""


class PipelineError(Exception):
    pass


class ParamsError(PipelineError):
    pass


class SourceError(PipelineError):
    pass


class PhotoError(PipelineError):
    pass


class FilmError(PipelineError):
    pass


class StoreError(PipelineError):
    pass


class ShardError(PipelineError):
    pass


class TrainingError(PipelineError):
    pass


class CheckpointError(PipelineError):
    pass


class FleetError(PipelineError):
    pass


class RegistryError(PipelineError):
    pass


class EnhancementError(PipelineError):
    pass


class ZooError(PipelineError):
    pass
