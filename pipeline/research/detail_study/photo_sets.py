"""Reads the study's photos, folders of 1:1 crops, and cuts patches on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

# name → folders of the source, of the target, of the phone's and the better camera's side of the pairs
SETS = {
    "iphone-good": (("iphone3gs/source",), ("good_photos", "kodak24"), "iphone3gs/pairs/{}"),
    "iphone-canon": (
        ("iphone3gs/source",),
        ("iphone3gs/partners/canon", "iphone3gs/canon_alone"),
        "iphone3gs/pairs/{}",
    ),
    "city100": (("city100/iphoneX",), ("city100/nikonD5500",), "city100/{}"),
}
SIDES = {"iphone3gs/pairs/{}": ("iphone", "canon"), "city100/{}": ("iphoneX", "nikonD5500")}
TONES = {"city100": (), "iphone-good": ("iphone3gs/source_half",), "iphone-canon": ("iphone3gs/source_half",)}
TEST_PX = 400  # of City100's middles
SCENES = 15  # of City100 on each side; the rest is scored


@dataclass(frozen=True)
class Photos:
    """uint8 photo_hwc, and the name of the photo that each was cropped from."""

    pixels: list[np.ndarray]
    origins: list[str]


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one study.

    source, target: unpaired crops. tones: further crops of the source at another scale, for colour only.
    tests: held-out aligned pairs (camera, truth).
    """

    source: Photos
    target: Photos
    tones: Photos
    tests: list[tuple[np.ndarray, np.ndarray]]


def read_set(root: Path, name: str, seed: int) -> PhotoSet:
    """Read the sets. City100's scenes are split by `seed`; the other sets do not depend on it."""
    sources, targets, tests = SETS[name]
    phone, truth = (sorted((root / tests.format(side)).iterdir()) for side in SIDES[tests])
    pairs = [p.name for p in phone if (root / tests.format(SIDES[tests][1]) / p.name) in truth]
    source, target = (_read(root, folders) for folders in (sources, targets))
    if name == "city100":
        shuffled = np.random.default_rng(seed).permutation(pairs).tolist()
        source, target = (
            _only(side, names)
            for side, names in ((source, shuffled[:SCENES]), (target, shuffled[SCENES : 2 * SCENES]))
        )
        pairs = sorted(shuffled[2 * SCENES :])
    both = [
        tuple(read_photo(root / tests.format(side) / pair)[:TEST_PX, :TEST_PX] for side in SIDES[tests])
        for pair in pairs
    ]
    usable = [(a, b) for a, b in both if not (a.min() == a.max() and np.array_equal(a, b))]
    return PhotoSet(source, target, _read(root, TONES[name]), usable)  # type: ignore[arg-type]


def read_photo(path: Path) -> np.ndarray:
    """Read a photo as uint8 (h, w, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_partners(root: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return aligned pairs of the iPhone and the Canon, for the oracle only."""
    folder = root / "iphone3gs/partners"
    return [
        (read_photo(folder / "iphone" / p.name), read_photo(p)) for p in sorted((folder / "canon").iterdir())
    ]


def _read(root: Path, folders: Sequence[str]) -> Photos:
    paths = [path for folder in folders for path in sorted((root / folder).iterdir())]
    return Photos([read_photo(path) for path in paths], [_origin(path) for path in paths])


def _origin(path: Path) -> str:
    """Return the name of a crop's photo; crops are named photo_number."""
    return f"{path.parent.name}/{path.stem.rpartition('_')[0] or path.stem}"


def _only(photos: Photos, names: Sequence[str]) -> Photos:
    wanted = {Path(name).stem for name in names}
    kept = [index for index, origin in enumerate(photos.origins) if origin.rpartition("/")[2] in wanted]
    return Photos([photos.pixels[i] for i in kept], [photos.origins[i] for i in kept])


def draw_patches(
    photos: Photos, count: int, size_px: int, seed: int, device: torch.device
) -> tuple[torch.Tensor, list[str]]:
    """Return patches (count, 3, size, size), float 0–1, equally many per photo, and their origins."""
    rng = np.random.default_rng(seed)
    size_px = min(size_px, *(min(p.shape[:2]) for p in photos.pixels))
    by_origin: dict[str, list[int]] = {}
    for index, origin in enumerate(photos.origins):
        by_origin.setdefault(origin, []).append(index)
    origins = list(by_origin)
    patches, names = [], []
    for number in range(count):
        origin = origins[number % len(origins)]
        photo = photos.pixels[rng.choice(by_origin[origin])]
        top, left = (int(rng.integers(side - size_px + 1)) for side in photo.shape[:2])
        patches.append(photo[top : top + size_px, left : left + size_px])
        names.append(origin)
    return as_tensor(np.stack(patches), device), names


def as_tensor(photos_nhwc: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 (n, h, w, 3) → float 0–1 (n, 3, h, w) on the device."""
    on_device = torch.from_numpy(np.ascontiguousarray(photos_nhwc)).to(device)
    return on_device.permute(0, 3, 1, 2).float().div(255).contiguous()


def as_pixels(photos_nchw: torch.Tensor) -> np.ndarray:
    """Float 0–1 (n, 3, h, w) → uint8 (n, h, w, 3)."""
    levels = photos_nchw.detach().float().clamp(0, 1).mul(255).round().byte()
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
