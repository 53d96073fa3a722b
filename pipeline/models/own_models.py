"""Adds models to the user's folder, and removes them from it; a model is there whole or not at all."""

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp

from pipeline.errors import CheckpointError
from pipeline.files import PREFIX, SUFFIX, write_atomically
from pipeline.models.card import CARD, card_of
from pipeline.models.known_models import KnownModel, known, known_models, models_in, nearest, user_folder
from pipeline.models.model_archives import model_name, read_model_files
from pipeline.models.package import PACKAGE_MANIFEST, read_manifest, sha256


def add_model(source: Path) -> KnownModel:
    """Copy a model folder, or the one in an archive, to the user's models, after checking that it loads.

    Raises CheckpointError.
    """
    name = model_name(source)
    require_new(name, f"rename {source}")
    return install(name, read_model_files(source), str(source))


def require_new(name: str, otherwise: str) -> None:
    """Raise CheckpointError if the user has a model of this name, before anything is fetched."""
    if (place := user_folder() / name).exists():
        raise CheckpointError(f"{place} exists already; remove it, or {otherwise}")


def install(name: str, files: Mapping[str, bytes], source: str, *, replace: bool = False) -> KnownModel:
    """Write a model to the user's folder under its final name, once it has loaded.

    source: what messages call it. replace: whether an older one of this name gives way.
    Raises CheckpointError.
    """
    from pipeline.models.model_folder import load_model

    place = user_folder() / name
    place.parent.mkdir(parents=True, exist_ok=True)
    part = _temporary(place.parent)
    try:
        for file, data in files.items():
            write_atomically(part / file, data)
        _verify(files)
        load_model(part)
        part.chmod(0o755)
        _put(part, place, replace)
    except CheckpointError as error:
        raise CheckpointError(f"{source} is not a model: {str(error).replace(str(part), name)}") from None
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        raise CheckpointError(f"{place} exists already; remove it, or rename {source}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return known(place)


def _verify(files: Mapping[str, bytes]) -> None:
    """Check the card and the manifest, if there are. Raises CheckpointError."""
    if CARD in files:
        card_of(files[CARD], CARD)
    if PACKAGE_MANIFEST in files:
        for file, facts in read_manifest(files[PACKAGE_MANIFEST], PACKAGE_MANIFEST).files.items():
            if sha256(files.get(file, b"")) != facts.sha256:
                raise CheckpointError(f"{file} differs from {PACKAGE_MANIFEST}; fetch it again")


def remove_model(name: str) -> Path:
    """Remove one of the user's models, and return its folder. Raises CheckpointError for all others."""
    models, own = {model.name: model for model in known_models()}, models_in(user_folder())
    if name in own:
        _remove(own[name].folder)
        return own[name].folder
    if name not in models:
        has = f"you have added {', '.join(own)}" if own else "you have added none"
        raise CheckpointError(f"no model {name}{nearest(name, models)}; {has}")
    if models[name].shipped:
        raise CheckpointError(
            f"{name} comes with wespe and stays; a model of this name that you add is used instead of it"
        )
    raise CheckpointError(
        f"{name} is in {models[name].folder.parent}, where training left it; delete it there"
    )


def _put(part: Path, place: Path, replace: bool) -> None:
    """Give a finished folder its final name; the older one comes back if that fails."""
    if not replace:
        part.rename(place)
        return
    away = _temporary(place.parent)
    try:
        older = place.rename(away / place.name)
        try:
            part.rename(place)
        except OSError:
            older.rename(place)
            raise
    finally:
        shutil.rmtree(away, ignore_errors=True)


def _remove(place: Path) -> None:
    """Make a folder's name free at once, then delete its files."""
    away = _temporary(place.parent)
    try:
        place.rename(away / place.name)
    finally:
        shutil.rmtree(away, ignore_errors=True)


def _temporary(folder: Path) -> Path:
    return Path(mkdtemp(dir=folder, prefix=PREFIX, suffix=SUFFIX))  # unique, for concurrent calls
