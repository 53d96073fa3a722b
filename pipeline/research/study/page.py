"""One self-contained HTML page that shows pairs of photos and asks which is preferred."""

import base64
import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.files import write_atomically
from pipeline.photos.pairs import pairs_by_name, read_alike
from pipeline.research.study.key import Pair, Study, write_key

SIDE_PX = 1000  # of a photo on the page, at most
QUALITY = 92
HERE = Path(__file__).parent
Folders = tuple[Path, Path]


def make_study(name: str, folders: Folders, labels: tuple[str, str], most: int, out: Path) -> Study:
    """Write `out`/NAME.html for the participants and `out`/NAME.key.json for collecting their choices.

    Photos of both folders are paired by name without suffix; if there are more than `most` pairs, some are
    drawn.
    Raises PipelineError, PhotoError.
    """
    pairs = pairs_by_name(*folders)
    shown = {photo: read_alike(*pairs[photo], SIDE_PX) for photo in _drawn(name, pairs, most)}
    study = _study(name, labels, shown)
    out.mkdir(parents=True, exist_ok=True)
    write_key(out, study)
    write_atomically(out / f"{name}.html", _page(study, shown).encode())
    return study


def _drawn(study: str, names: Iterable[str], most: int) -> list[str]:
    """Draw at most `most` names, always the same ones for a study."""
    return sorted(sorted(names, key=lambda name: _digest(study, name))[:most])


def _study(name: str, labels: tuple[str, str], shown: dict[str, tuple[Image.Image, Image.Image]]) -> Study:
    """Name everything by digests: the same photos make the same page, and ids reveal nothing."""
    pairs = []
    for photo, (one, other) in shown.items():
        pair = _digest(name, photo, _digest(np.asarray(one)), _digest(np.asarray(other)))
        ids = (_digest(pair, "0"), _digest(pair, "1"))
        pairs.append(Pair(id=pair, name=photo, photos=ids))
    identity = _digest(name, *labels, *(pair.id for pair in pairs))
    try:
        return Study(id=identity, name=name, labels=labels, pairs=tuple(pairs))
    except ValueError as error:
        raise PipelineError(str(error)) from None


def _page(study: Study, shown: dict[str, tuple[Image.Image, Image.Image]]) -> str:
    """Fill in the template. Pairs and photos are sorted by id, which hides folders, names and labels."""
    pairs = []
    for pair in sorted(study.pairs, key=lambda pair: pair.id):
        photos = zip(pair.photos, shown[pair.name], strict=True)
        width, height = shown[pair.name][0].size
        sources = [
            {"id": number, "src": _data_uri(photo)}
            for number, photo in sorted(photos, key=lambda photo: photo[0])
        ]
        pairs.append({"id": pair.id, "width": width, "height": height, "photos": sources})
    page = (HERE / "page.html").read_text(encoding="utf-8")
    for mark, content in {
        "/*STYLE*/": (HERE / "page.css").read_text(encoding="utf-8"),
        "/*SCRIPT*/": (HERE / "page.js").read_text(encoding="utf-8"),
        "/*STUDY*/": json.dumps({"study": study.id, "pairs": pairs}),  # hex, base64 and numbers only
    }.items():
        page = page.replace(mark, content)
    return page


def _data_uri(photo: Image.Image) -> str:
    """Encode as JPEG, both photos of a pair alike, with colour at full resolution and without metadata."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _digest(*parts: str | np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part.tobytes() + bytes(str(part.shape), "ascii")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]
