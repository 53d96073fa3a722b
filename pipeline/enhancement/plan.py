"""What a job will do, before it does anything."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.checkpoints import Model, load_model
from pipeline.data.headers import HEAD_BYTES, Header, read_header
from pipeline.data.heif import is_heif
from pipeline.destinations import is_ours
from pipeline.enhancement.inputs import Found, find_photos
from pipeline.enhancement.ledger import Entry, Ledger
from pipeline.enhancement.routing import Router
from pipeline.errors import EnhancementError, PipelineError
from pipeline.logs import Progress
from pipeline.one_photo import Settings
from pipeline.stores import FolderStore, Store, open_store, sha256_of

AT_ONCE = 16
MANY = 500  # photos, whose headers take seconds to read


@dataclass(frozen=True, kw_only=True)
class Task:
    """A photo that is to be enhanced; `model` is a key of the plan's models."""

    source: str
    name: str
    version: str
    photo: str
    model: str
    bytes: int
    pixels: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job.

    tasks: the largest photos first, so that no worker is left alone with one at the end.
    sources, folders: the stores and the models' folders, by what tasks call them.
    finished: how many photos need nothing.
    unmatched: photos that no route gives a model; they stay as they are.
    """

    tasks: tuple[Task, ...]
    sources: Mapping[str, Store]
    folders: Mapping[str, Path]
    destination: Store
    settings: Settings
    ledger: Ledger
    finished: int
    unmatched: tuple[str, ...]

    @property
    def megapixels(self) -> float:
        return sum(task.pixels for task in self.tasks) / 1e6


def make_plan(
    addresses: Sequence[str],
    destination: str,
    router: Router,
    fetch: Callable[[str], Path],
    settings: Settings,
) -> Plan:
    """Find the photos, choose their models, leave out what is finished.

    fetch: gives the local folder of a model's URI.
    Raises EnhancementError when the job would harm something, CheckpointError when a model cannot be read.
    """
    found, store = find_photos(addresses), open_store(destination)
    _keep_apart(found, store)
    _keep_names_apart(found, settings)
    headers = _headers(found)
    uris = [router.choose(header) for header in headers]
    folders = {uri: fetch(uri) for uri in sorted(set(filter(None, uris)))}
    models = {uri: load_model(folder) for uri, folder in folders.items()}
    ledger, there = Ledger(store), {stored.name: stored.version for stored in store.listing()}
    entries = ledger.read(there)
    routed = [(one, uri, header) for one, uri, header in zip(found, uris, headers, strict=True) if uri]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(
            lambda row: _is_finished(row[0], models[row[1]], entries.get(row[0].photo), there, settings),
            routed,
        )
        tasks = [_task(*row) for row, finished in zip(routed, done, strict=True) if not finished]
    listed = {entry.result for entry in entries.values()}
    _keep_others({settings.renamed(task.photo) for task in tasks} & there.keys() - listed, store)
    return Plan(
        tasks=tuple(sorted(tasks, key=lambda task: (-task.pixels, task.photo))),
        sources={one.store.address: one.store for one in found},
        folders=folders,
        destination=store,
        settings=settings,
        ledger=ledger,
        finished=len(routed) - len(tasks),
        unmatched=tuple(one.photo for one, uri in zip(found, uris, strict=True) if not uri),
    )


def _headers(found: list[Found]) -> list[Header]:
    def header(one: Found) -> Header:
        try:
            head = one.store.head(one.stored.name, HEAD_BYTES)
            if is_heif(head):  # whose EXIF may lie anywhere
                head = one.store.head(one.stored.name, one.stored.bytes)
        except (OSError, PipelineError):  # gone, or not to be read: the job will list it
            head = b""
        return read_header(head, one.stored.bytes)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        headers, progress = [], Progress("look at", len(found), "photos") if len(found) >= MANY else None
        for read in pool.map(header, found):
            headers.append(read)
            if progress:
                progress.update()
        return headers


def _task(one: Found, uri: str, header: Header) -> Task:
    return Task(
        source=one.store.address,
        name=one.stored.name,
        version=one.stored.version,
        photo=one.photo,
        model=uri,
        bytes=one.stored.bytes,
        pixels=header.pixels,
    )


def _is_finished(
    one: Found, model: Model, entry: Entry | None, there: Mapping[str, str], settings: Settings
) -> bool:
    """Whether this model, with these settings, already made of these very bytes what lies there."""
    wanted = ("done", model.sha256, settings.key())
    if entry is None or (entry.status, entry.model_sha256, entry.settings) != wanted:
        return False
    if there.get(entry.result) != entry.result_version or entry.result != settings.renamed(one.photo):
        return False
    if (entry.source, entry.source_version) == (one.store.address, one.stored.version):
        return True
    try:
        with one.store.open(one.stored.name) as file:
            return sha256_of(file) == entry.content_sha256
    except OSError:
        return False


def _keep_apart(found: Iterable[Found], destination: Store) -> None:
    """Refuse a destination where results would replace originals, or become photos of the next job."""
    stores = {one.store.address: one.store for one in found}
    for address, store in stores.items():
        place, names = destination.name_in(store), [one for one in found if one.store.address == address]
        among = place is not None and any(
            not place or one.walked or one.stored.name.startswith(f"{place}/") for one in names
        )
        if among or store.name_in(destination) is not None:
            raise EnhancementError(
                f"{destination.address}: overlaps the source {address}; name a place outside of it"
            )
    if isinstance(destination, FolderStore) and destination.path.is_file():
        raise EnhancementError(
            f"{destination.address}: is a file; name the folder that the enhanced photos go to"
        )


def _keep_others(names: Iterable[str], destination: Store) -> None:
    """Refuse to write over what no job of before has made: it may be somebody's only copy."""
    for name in sorted(names):
        with destination.open(name) as file:
            if not is_ours(file):
                raise EnhancementError(
                    f"{destination.address.rstrip('/')}/{name}: is there already, and not wespe's; "
                    "remove it, or name another place"
                )


def _keep_names_apart(found: Iterable[Found], settings: Settings) -> None:
    """Refuse what would give two results one name."""
    names = (PurePosixPath(settings.renamed(one.photo)).as_posix() for one in found)
    for name, count in Counter(names).items():
        if count > 1:
            raise EnhancementError(
                f"{name}: would be the result of {count} photos; name their folders apart, or keep formats"
            )
