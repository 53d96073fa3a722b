"""Models that can be used by name on this machine: those in ./models, and those that the user has added."""

import errno
import json
import lzma
import os
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import IO, Any

from pipeline.errors import CheckpointError, PipelineError
from pipeline.files import PREFIX, SUFFIX, expanded, write_atomically
from pipeline.layout import CONFIG, WEIGHTS

CHECKOUT = Path("models")
ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
MOST_BYTES = {CONFIG: 2**20, WEIGHTS: 2**30}
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    RuntimeError, NotImplementedError,
)  # fmt: skip
HOW_TO_ADD = "add one with `wespe models add FOLDER_OR_ARCHIVE`, or name a folder with --model"


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model folder and the facts in its config.json; '' or 0 if unknown."""

    name: str
    folder: Path
    camera: str
    target: str
    method: str
    steps: int
    bytes: int


def user_folder() -> Path:
    """Return the folder of the user's models: $WESPE_MODELS, or one in the platform's application data."""
    if chosen := os.environ.get("WESPE_MODELS"):
        return expanded(chosen)
    if sys.platform == "win32":
        data = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        data = "~/Library/Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(data) / "wespe" / "models"


def known_models() -> list[KnownModel]:
    """Return all models, sorted by name; if two have the same name, the one in ./models."""
    found: dict[str, KnownModel] = {}
    for place in filter(None, (CHECKOUT, _own_folder())):
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            is_model = (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()
            if is_model and not folder.name.startswith("."):
                found.setdefault(folder.name, _known(folder))
    return [found[name] for name in sorted(found)]


def _own_folder() -> Path | None:
    """Return the folder of the user's models; None for a user without a home folder."""
    try:
        return user_folder()
    except PipelineError:
        return None


def find_model(wanted: str = "") -> Path:
    """Return the folder of a model by its path or name; without either, that of the only known model.

    Raises CheckpointError, which lists the known models.
    """
    if wanted and (Path(wanted) / CONFIG).is_file():
        return Path(wanted)
    known = {model.name: model.folder for model in known_models()}
    if wanted in known:
        return known[wanted]
    names = ", ".join(known)
    if wanted:
        raise CheckpointError(f"--model {wanted}: no such model folder or known model; {_known_are(names)}")
    if not known:
        raise CheckpointError(f"no models on this machine yet; {HOW_TO_ADD}")
    if len(known) > 1:
        raise CheckpointError(f"several models are known; choose one with --model: {names}")
    return known[names]


def add_model(source: Path) -> KnownModel:
    """Copy a model folder, or the one in an archive, to the user's models, after checking that it loads.

    Only config.json and the weights are read from an archive; its file names are never used as paths.
    Raises CheckpointError.
    """
    from pipeline.models.model_folder import load_model

    name = source.resolve().name
    suffix = next((end for end in ARCHIVES if name.lower().endswith(end)), "")
    name = name[: len(name) - len(suffix)] if suffix and source.is_file() else name
    place = user_folder() / name
    if place.exists():
        raise CheckpointError(f"{place} exists already; remove it, or rename {source}")
    files = _unpacked(source) if source.is_file() else _read(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(mkdtemp(dir=place.parent, prefix=PREFIX, suffix=SUFFIX))  # unique, for concurrent calls
    try:
        for file, data in files.items():
            write_atomically(part / file, data)
        load_model(part)
        part.chmod(0o755)
        part.rename(place)
    except CheckpointError as error:
        raise CheckpointError(f"{source} is not a model: {str(error).replace(str(part), name)}") from None
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        raise CheckpointError(f"{place} exists already; remove it, or rename {source}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _known(place)


def _known(folder: Path) -> KnownModel:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        config = {}
    config = config if isinstance(config, Mapping) else {}
    method, steps = config.get("method"), config.get("step")
    return KnownModel(
        name=folder.name,
        folder=folder,
        camera=_text(config.get("camera")),
        target=_text(config.get("target")),
        method=_text(method.get("name")) if isinstance(method, Mapping) else "",
        steps=steps if isinstance(steps, int) else 0,
        bytes=(folder / WEIGHTS).stat().st_size,
    )


def _text(value: Any) -> str:
    """Make untrusted text safe for a terminal: printable characters only, at most 60."""
    return "".join(letter for letter in value if letter.isprintable())[:60] if isinstance(value, str) else ""


def _known_are(names: str) -> str:
    return f"known models: {names}" if names else HOW_TO_ADD


def _read(folder: Path) -> dict[str, bytes]:
    try:
        return {file: (folder / file).read_bytes() for file in MOST_BYTES}
    except OSError as error:
        raise CheckpointError(
            f"{folder} is not a model: {error.filename}: {error.strerror}; a model is a folder or archive "
            f"with {' and '.join(MOST_BYTES)}"
        ) from None


def _unpacked(archive: Path) -> dict[str, bytes]:
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                files = {i.filename: i for i in packed.infolist() if not i.is_dir()}
                return {file: _bytes(packed.open(files[_only(files, file)]), file) for file in MOST_BYTES}
        with tarfile.open(archive) as packed_tar:
            members = {entry.name: entry for entry in packed_tar if entry.isfile()}
            return {
                file: _bytes(packed_tar.extractfile(members[_only(members, file)]), file)
                for file in MOST_BYTES
            }
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        with archive.open("rb") as file:
            start = file.read(512).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            reason = "it is a web page, perhaps a login page"
        raise CheckpointError(
            f"{archive} is not an archive, or is damaged ({reason}); download it again"
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f"{archive} {error}") from None


def _only(names: Mapping[str, Any], file: str) -> str:
    found = [name for name in names if PurePosixPath(name).name == file and "__MACOSX" not in name]
    if len(found) != 1:
        raise CheckpointError(f"contains {len(found) or 'no'} {file}; an archive of a model must contain one")
    return found[0]


def _bytes(file: IO[bytes] | None, name: str) -> bytes:
    assert file is not None, "a regular file can be opened"
    with file:
        data = file.read(MOST_BYTES[name] + 1)
    if len(data) > MOST_BYTES[name]:
        raise CheckpointError(f"is refused: its {name} is larger than {MOST_BYTES[name] >> 20} MB")
    return data
