"""One worker of a job: enhances photos and returns ledger entries; used by all engines."""

import errno
import hashlib
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

import torch

from pipeline.enhancement.ledger import Entry
from pipeline.enhancement.one_photo import Settings, enhance_photo
from pipeline.enhancement.plan import Task
from pipeline.enhancement.stores import Store, sha256_of
from pipeline.errors import PipelineError
from pipeline.models.model_folder import Model
from pipeline.photos.writing import EncodedPhoto

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
PHOTOS_AT_ONCE = 2  # per worker
LARGE_PIXELS = 25_000_000  # larger photos are enhanced one at a time, to limit memory


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """Enhances photos; called by PHOTOS_AT_ONCE threads.

    models, sources: by the names that tasks use.
    cpus: divided among the threads. On a machine with other load, sharing all CPUs within each layer would
        take several times as long.
    """

    models: Mapping[str, Model]
    sources: Mapping[str, Store]
    destination: Store
    settings: Settings
    cpus: int
    _large: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, task: Task) -> Entry:
        """Write the result. Errors of a photo are recorded in its entry and not raised."""
        content_sha256 = result_sha256 = version = reason = warnings = ""
        status = "done"
        result = task.result
        try:
            with self.sources[task.source].open(task.name) as file:
                content_sha256 = sha256_of(file)
                file.seek(0)
                large = task.pixels > LARGE_PIXELS
                torch.set_num_threads(self.cpus if large else max(1, self.cpus // PHOTOS_AT_ONCE))
                with self._large if large else nullcontext():
                    enhanced = self._enhanced(task, file, result)
                    warnings = "; ".join(enhanced.warnings)
                    result_sha256 = hashlib.sha256(enhanced.data).hexdigest()
                    version = self.destination.write(result, enhanced.data, task.modified_s)
        except Exception as error:
            status = "stopped" if isinstance(error, OSError) and error.errno in NO_SPACE else "failed"
            reason, result = reason_of(error), ""
        return Entry(
            photo=task.photo,
            source=task.source,
            source_version=task.version,
            content_sha256=content_sha256,
            model=task.model,
            model_sha256=self.models[task.model].sha256,
            settings=self.settings.key(),
            status=status,  # type: ignore[arg-type]
            reason=reason,
            warnings=warnings,
            result=result,
            result_sha256=result_sha256 if result else "",
            result_version=version,
            finished_at_s=time.time(),
        )

    def _enhanced(self, task: Task, file: BinaryIO, result: str) -> EncodedPhoto:
        suffix = PurePosixPath(result).suffix
        return enhance_photo(self.models[task.model], file, suffix, self.settings)


def reason_of(error: Exception) -> str:
    """Describe an error in one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file, or a link to one that does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    kind = "" if isinstance(error, PipelineError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())
