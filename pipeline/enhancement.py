"""The batch job: the photos of one folder, enhanced into another, on all CPUs or GPUs that Ray has.

Paths travel as rows, never pixels: an actor reads, enhances and writes one photo at a time. A finished photo
is a line in the ledger beside the results, so that whatever is killed, the next run does only what is left.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from pipeline.checkpoints import load_model
from pipeline.cluster import session
from pipeline.errors import EnhancementError, PipelineError
from pipeline.files import write_atomically
from pipeline.formats import FORMATS, is_photo
from pipeline.ledger import Entry, Ledger
from pipeline.logs import Progress
from pipeline.one_photo import Settings, enhance_photo

LEDGER = "enhanced.jsonl"
# Reading and writing a photo keep one core busy, the network any number: two per actor waste little.
CPUS_PER_ACTOR = 2
# One photo per task, so that a kill repeats only what was in flight; a huge folder shares tasks to spare Ray.
MAX_TASKS = 5_000


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a job did; `failed` holds the entries of the photos that could not be enhanced."""

    done: int
    skipped: int
    failed: tuple[Entry, ...]
    ledger: Path


def enhance_folder(
    model_folder: Path, source: Path, destination: Path, settings: Settings | None = None
) -> Summary:
    """Enhance every photo in or below `source` into `destination`, with the same name.

    `source` may be one photo. A photo that fails is an entry of the summary and is tried again next time.
    Raises EnhancementError when the job cannot start, CheckpointError when the model cannot be read.
    """
    folder, photos = _find_photos(source)
    _keep_apart(source, folder, destination)
    settings = settings or Settings()
    _keep_names_apart(photos, settings)
    model_sha256 = load_model(model_folder).sha256
    destination.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(destination / LEDGER)
    todo = _unfinished(photos, folder, destination, ledger, model_sha256, settings)
    entries = _run(todo, model_folder, folder, destination, ledger, settings) if todo else []
    failed = tuple(entry for entry in entries if entry.status == "failed")
    return Summary(
        done=len(entries) - len(failed),
        skipped=len(photos) - len(todo),
        failed=failed,
        ledger=ledger.path,
    )


class Enhancer:
    """One actor: holds the model, turns a row {photo} into the row of its Entry."""

    def __init__(self, model_folder: Path, source: Path, destination: Path, settings: Settings, device: str):
        if device == "cpu":
            torch.set_num_threads(CPUS_PER_ACTOR)
        self.model = load_model(model_folder, device)
        self.source, self.destination, self.settings = source, destination, settings

    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        photo, content_sha256, reason = row["photo"], "", ""
        try:
            # Noted before it is read: if it changes in between, the next run does it again.
            content_sha256 = _sha256(self.source / photo)
            self._enhance(photo)
        except Exception as error:  # whatever is wrong with one photo must not stop the others
            kind = "" if isinstance(error, PipelineError) else f"{type(error).__name__}: "
            reason = " ".join(f"{kind}{error}".split())
        entry = Entry(
            photo=photo,
            content_sha256=content_sha256,
            model_sha256=self.model.sha256,
            status="failed" if reason else "done",
            reason=reason,
            settings=self.settings.key(),
        )
        return asdict(entry)

    def _enhance(self, photo: str) -> None:
        path = self.destination / self.settings.renamed(photo)
        with open(self.source / photo, "rb") as file:
            enhanced = enhance_photo(self.model, file, path.suffix, self.settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, enhanced)


def _run(
    todo: list[str], model_folder: Path, source: Path, destination: Path, ledger: Ledger, settings: Settings
) -> list[Entry]:
    """Enhance the photos, in any order; each is in the ledger as soon as it is finished."""
    model_folder, source, destination = (path.resolve() for path in (model_folder, source, destination))
    entries = []
    with session():
        progress = Progress("enhance", len(todo), "photos")
        for entry in _stream(todo, model_folder, source, destination, settings):
            ledger.append(entry)
            entries.append(entry)
            progress.update()
    return sorted(entries, key=lambda entry: entry.photo)


def _stream(
    todo: list[str], model_folder: Path, source: Path, destination: Path, settings: Settings
) -> Iterator[Entry]:
    device, pool = _pool(len(todo))
    tasks = min(len(todo), MAX_TASKS)
    rows = ray.data.from_items([{"photo": photo} for photo in todo], override_num_blocks=tasks)
    # An actor that is killed comes back and its photo is tried again: Ray Data's default for actors.
    enhanced = rows.map(
        Enhancer,  # type: ignore[arg-type]
        fn_constructor_args=(model_folder, source, destination, settings, device),
        **pool,
    )
    for row in enhanced.iter_rows():
        yield Entry(**row)


def _pool(photos: int) -> tuple[str, dict[str, Any]]:
    """The actors' device, and how many of them with what each: one per GPU, or else one per two CPUs."""
    resources = ray.cluster_resources()
    if gpus := int(resources.get("GPU", 0)):
        return "cuda", {"compute": ray.data.ActorPoolStrategy(size=min(gpus, photos)), "num_gpus": 1}
    cpus = max(1, int(resources["CPU"]))
    size = max(1, cpus // CPUS_PER_ACTOR)
    return "cpu", {
        "compute": ray.data.ActorPoolStrategy(size=min(size, photos)),
        "num_cpus": min(CPUS_PER_ACTOR, cpus),
    }


def _find_photos(source: Path) -> tuple[Path, list[str]]:
    """The folder, and the photos' paths relative to it, sorted."""
    if source.is_file():
        return source.parent, [source.name]
    if not source.is_dir():
        raise EnhancementError(
            f"{source}: no such file or folder; name a photo, or a folder that holds photos"
        )
    files = (path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    photos = sorted(path for path in files if is_photo(path))
    if not photos:
        raise EnhancementError(f"{source}: no photo in or below it; known are {', '.join(FORMATS)}")
    return source, photos


def _keep_apart(source: Path, folder: Path, destination: Path) -> None:
    """Refuse a destination where results would replace originals, or become photos of the next run."""
    inner, outer = destination.resolve(), folder.resolve()
    nested = source.is_dir() and (inner.is_relative_to(outer) or outer.is_relative_to(inner))
    if inner == outer or nested:
        raise EnhancementError(f"{destination}: overlaps the source {source}; name a folder outside of it")
    if destination.exists() and not destination.is_dir():
        raise EnhancementError(f"{destination}: is a file; name the folder that the enhanced photos go to")


def _keep_names_apart(photos: list[str], settings: Settings) -> None:
    """Refuse a format in which two results would have one name."""
    for name, count in Counter(map(settings.renamed, photos)).items():
        if count > 1:
            raise EnhancementError(
                f"{name}: would be the result of {count} photos; rename them, or keep formats"
            )


def _unfinished(
    photos: list[str],
    source: Path,
    destination: Path,
    ledger: Ledger,
    model_sha256: str,
    settings: Settings,
) -> list[str]:
    """Leave out what this model, with these settings, already made of these very bytes."""
    wanted = ("done", model_sha256, settings.key())

    def is_done(photo: str) -> bool:
        entry = ledger.get(photo)
        if entry is None or (entry.status, entry.model_sha256, entry.settings) != wanted:
            return False
        return (destination / settings.renamed(photo)).is_file() and entry.content_sha256 == _sha256(
            source / photo
        )

    with ThreadPoolExecutor() as pool:
        return [photo for photo, done in zip(photos, pool.map(is_done, photos), strict=True) if not done]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
