"""What a job will do, before it does anything."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.enhancement.destinations import is_ours, maker
from pipeline.enhancement.inputs import Found, find_photos
from pipeline.enhancement.ledger import Entry, Ledger
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.routing import Router
from pipeline.enhancement.stores import FolderStore, Store, open_store, sha256_of
from pipeline.errors import EnhancementError, PipelineError
from pipeline.logs import Progress
from pipeline.models.model_folder import Model, load_model
from pipeline.photos.headers import HEAD_BYTES, Header, read_header, tells_all

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
    changed: photos whose results somebody has changed since; those stay as they are.
    """

    tasks: tuple[Task, ...]
    sources: Mapping[str, Store]
    folders: Mapping[str, Path]
    destination: Store
    settings: Settings
    ledger: Ledger
    finished: int
    unmatched: tuple[str, ...]
    changed: tuple[str, ...]

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
    store = open_store(destination)
    found = _outside(find_photos(addresses), store)
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
        states = list(
            pool.map(
                lambda row: _state(row[0], models[row[1]], entries.get(row[0].photo), there, store, settings),
                routed,
            )
        )
    tasks = [_task(*row) for row, state in zip(routed, states, strict=True) if state == "open"]
    listed = {entry.result for entry in entries.values()}
    _keep_others({settings.renamed(task.photo) for task in tasks} & there.keys() - listed, store)
    return Plan(
        tasks=tuple(sorted(tasks, key=lambda task: (-task.pixels, task.photo))),
        sources={one.store.address: one.store for one in found},
        folders=folders,
        destination=store,
        settings=settings,
        ledger=ledger,
        finished=states.count("finished"),
        changed=tuple(row[0].photo for row, state in zip(routed, states, strict=True) if state == "changed"),
        unmatched=tuple(one.photo for one, uri in zip(found, uris, strict=True) if not uri),
    )


def _headers(found: list[Found]) -> list[Header]:
    def header(one: Found) -> Header:
        try:
            head = one.store.head(one.stored.name, HEAD_BYTES)
            if not tells_all(head):
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


State = Literal["open", "finished", "changed"]


def _state(
    one: Found,
    model: Model,
    entry: Entry | None,
    there: Mapping[str, str],
    store: Store,
    settings: Settings,
) -> State:
    """What there is to do for a photo, from its latest entry and from what lies at the destination."""
    if entry is None or entry.status != "done" or entry.result not in there:
        return "open"
    if there[entry.result] != entry.result_version and not _is_made(entry, store):
        return "changed" if _is_somebodys(entry, store) else "open"
    wanted = (model.sha256, settings.key(), settings.renamed(one.photo))
    if (entry.model_sha256, entry.settings, entry.result) != wanted:
        return "open"
    if (entry.source, entry.source_version) == (one.store.address, one.stored.version):
        return "finished"
    return "finished" if _sha256(one.store, one.stored.name) == entry.content_sha256 else "open"


def _is_made(entry: Entry, store: Store) -> bool:
    """Whether the result is still what was made, copied maybe."""
    return _sha256(store, entry.result) == entry.result_sha256


def _is_somebodys(entry: Entry, store: Store) -> bool:
    """Whether a person has changed the result: a killed job of another model would have left its mark."""
    with store.open(entry.result) as file:
        return maker(file) in ("", entry.model_sha256[:12])


def _sha256(store: Store, name: str) -> str:
    try:
        with store.open(name) as file:
            return sha256_of(file)
    except (OSError, PipelineError):  # the job will tell
        return ""


def _outside(found: list[Found], destination: Store) -> list[Found]:
    """Without results of before, which a pattern matches as well."""
    places = {one.store.address: destination.name_in(one.store) for one in found}

    def is_result(one: Found) -> bool:
        place = places[one.store.address]
        return bool(place) and not one.walked and one.stored.name.startswith(f"{place}/")

    return [one for one in found if not is_result(one)]


def _keep_apart(found: Iterable[Found], destination: Store) -> None:
    """Refuse a destination where results would replace originals, or become photos of the next job."""
    stores = {one.store.address: one.store for one in found}
    walked = {one.store.address for one in found if one.walked}
    for address, store in stores.items():
        place = destination.name_in(store)
        among = place == "" or (place is not None and address in walked)
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
