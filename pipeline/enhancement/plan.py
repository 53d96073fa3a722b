"""Plans a job: decides everything before the first photo is enhanced."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.enhancement.destinations import is_ours, maker
from pipeline.enhancement.inputs import InputPhoto, find_photos
from pipeline.enhancement.ledger import Entry, Ledger
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.result_names import result_names, with_unique_names
from pipeline.enhancement.routing import Router
from pipeline.enhancement.stores import FolderStore, Store, open_store, sha256_of
from pipeline.errors import EnhancementError, PipelineError
from pipeline.files import check_writable
from pipeline.logs import Progress
from pipeline.models.edits_file import load_model_or_edits
from pipeline.models.model_folder import Model
from pipeline.photos.formats import without_doubles
from pipeline.photos.headers import HEAD_BYTES, Header, read_header, tells_all

AT_ONCE = 16
MANY = 500  # photos: reading their headers takes seconds


@dataclass(frozen=True, kw_only=True)
class Task:
    """A photo to enhance; `source` and `model` are keys of the plan's sources and folders.

    photo: its path below the source. result: the path of the enhanced photo.
    modified_s: modification date of the result, since the Unix epoch; 0: the time of writing.
    """

    source: str
    name: str
    version: str
    photo: str
    result: str
    model: str
    bytes: int
    pixels: int
    modified_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job.

    tasks: the largest photos first, so that no worker is still busy at the end while the others are idle.
    sources, folders: the stores and the models' folders, by the names that tasks use.
    finished: number of photos that are up to date.
    unmatched: photos that match no route; they are skipped.
    changed: photos whose results have been edited by the user; they are skipped.
    doubled: RAW files beside the photo that the camera made of them; they are skipped in folders.
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
    doubled: tuple[str, ...]

    @property
    def megapixels(self) -> float:
        return sum(task.pixels for task in self.tasks) / 1e6


def make_plan(
    addresses: Sequence[str],
    destination: str,
    router: Router,
    fetch: Callable[[str], Path],
    settings: Settings,
    keep_dates: bool = False,
) -> Plan:
    """Find the photos, choose their models and result names, and skip those that are up to date.

    fetch: returns the local folder of a model URI.
    keep_dates: whether results get the dates of their originals.
    Raises EnhancementError if the job would overwrite a file, CheckpointError for an unreadable model.
    """
    store = open_store(destination)
    _check_destination(store, keep_dates)
    found = _outside(find_photos(addresses), store)
    _keep_apart(found, store)
    found, doubled = _undoubled(found)
    headers = _headers(found)
    uris = [router.choose(header) for header in headers]
    folders = {uri: fetch(uri) for uri in sorted(set(filter(None, uris)))}
    models = {uri: load_model_or_edits(folder) for uri, folder in folders.items()}
    ledger, there = Ledger(store), {stored.name: stored.version for stored in store.listing()}
    entries = ledger.read(there)
    found = with_unique_names(found)
    results = result_names([one.photo for one in found], settings, entries)
    rows = zip(found, uris, headers, strict=True)
    routed = [(one, uri, header, results[one.photo]) for one, uri, header in rows if uri]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        states = list(
            pool.map(
                lambda row: _state(
                    row[0], row[3], models[row[1]], entries.get(row[0].photo), there, store, settings
                ),
                routed,
            )
        )
    tasks = [_task(*row, keep_dates) for row, state in zip(routed, states, strict=True) if state == "open"]
    listed = {entry.result for entry in entries.values()}
    _keep_others({task.result for task in tasks} & there.keys() - listed, store)
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
        doubled=doubled,
    )


def _headers(found: list[InputPhoto]) -> list[Header]:
    def header(one: InputPhoto) -> Header:
        try:
            head = one.store.head(one.stored.name, HEAD_BYTES)
            if not tells_all(head):
                head = one.store.head(one.stored.name, one.stored.bytes)
        except (OSError, PipelineError):  # missing or unreadable; the job will report it
            head = b""
        return read_header(head, one.stored.bytes)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        headers, progress = [], Progress("read headers", len(found), "photos") if len(found) >= MANY else None
        for read in pool.map(header, found):
            headers.append(read)
            if progress:
                progress.update()
        return headers


def _task(one: InputPhoto, uri: str, header: Header, result: str, keep_dates: bool) -> Task:
    return Task(
        source=one.store.address,
        name=one.stored.name,
        version=one.stored.version,
        photo=one.photo,
        result=result,
        model=uri,
        bytes=one.stored.bytes,
        pixels=header.pixels,
        modified_s=one.stored.modified_s if keep_dates else 0.0,
    )


State = Literal["open", "finished", "changed"]


def _state(
    one: InputPhoto,
    result: str,
    model: Model,
    entry: Entry | None,
    there: Mapping[str, str],
    store: Store,
    settings: Settings,
) -> State:
    """Return a photo's state, from its latest entry and the files at the destination."""
    if entry is None or entry.status != "done" or entry.result not in there:
        return "open"
    if there[entry.result] != entry.result_version and not _is_unchanged(entry, store):
        return "changed" if _is_edited(entry, store) else "open"
    wanted = (model.sha256, settings.key(), result)
    if (entry.model_sha256, entry.settings, entry.result) != wanted:
        return "open"
    if (entry.source, entry.source_version) == (one.store.address, one.stored.version):
        return "finished"
    return "finished" if _sha256(one.store, one.stored.name) == entry.content_sha256 else "open"


def _is_unchanged(entry: Entry, store: Store) -> bool:
    """Tell whether the result still has the content that was written, even if it was copied."""
    return _sha256(store, entry.result) == entry.result_sha256


def _is_edited(entry: Entry, store: Store) -> bool:
    """Tell whether the user has edited the result. Results of other models have another note in EXIF."""
    with store.open(entry.result) as file:
        return maker(file) in ("", entry.model_sha256[:12])


def _sha256(store: Store, name: str) -> str:
    try:
        with store.open(name) as file:
            return sha256_of(file)
    except (OSError, PipelineError):  # the job will report it
        return ""


def _outside(found: list[InputPhoto], destination: Store) -> list[InputPhoto]:
    """Leave out earlier results that a pattern also matches."""
    places = {one.store.address: destination.name_in(one.store) for one in found}

    def is_result(one: InputPhoto) -> bool:
        place = places[one.store.address]
        return bool(place) and not one.walked and one.stored.name.startswith(f"{place}/")

    return [one for one in found if not is_result(one)]


def _undoubled(found: list[InputPhoto]) -> tuple[list[InputPhoto], tuple[str, ...]]:
    """Leave out RAW files beside the photos made of them, unless they were named; return their names too."""
    kept = set(without_doubles(one.photo for one in found))
    doubled = tuple(one.photo for one in found if one.walked and one.photo not in kept)
    return [one for one in found if not one.walked or one.photo in kept], doubled


def _keep_apart(found: Iterable[InputPhoto], destination: Store) -> None:
    """Reject a destination where results would replace originals, or become inputs of the next job."""
    stores = {one.store.address: one.store for one in found}
    walked = {one.store.address for one in found if one.walked}
    for address, store in stores.items():
        place = destination.name_in(store)
        among = place == "" or (place is not None and address in walked)
        if among or store.name_in(destination) is not None:
            raise EnhancementError(
                f"{destination.address}: overlaps the source {address}; choose a destination outside it"
            )


def _check_destination(destination: Store, keep_dates: bool) -> None:
    """Reject a destination early that would fail when the first result is written."""
    if not isinstance(destination, FolderStore):
        if keep_dates:
            raise EnhancementError(
                f"{destination.address}: buckets do not support file dates; remove --keep-dates"
            )
        return
    if destination.path.is_file():
        raise EnhancementError(f"{destination.address}: is a file; name a folder for the enhanced photos")
    check_writable(destination.path)


def _keep_others(names: Iterable[str], destination: Store) -> None:
    """Refuse to overwrite files that were not made by an earlier job."""
    for name in sorted(names):
        with destination.open(name) as file:
            if not is_ours(file):
                raise EnhancementError(
                    f"{destination.address.rstrip('/')}/{name}: exists already and was not made by wespe; "
                    "remove it, or choose another destination"
                )
