"""Input and output of the formats' writers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.photos.original import NOTHING, Metadata


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A photo converted for a format.

    values_hwc: uint8 or uint16; gray or RGB, then alpha: 1–4 channels.
    profile: ICC for these channels; b'' means sRGB. metadata: updated for this picture.
    layout: options from the same format's reader. quality: 1–100, or None for that of the layout.
    """

    values_hwc: np.ndarray
    profile: bytes = b""
    metadata: Metadata = NOTHING
    layout: dict[str, Any] = field(default_factory=dict)
    quality: int | None = None


@dataclass(frozen=True, kw_only=True)
class EncodedPhoto:
    """A photo's file.

    warnings: about lost parts of the original. decided: what the model decided, see `Generator.explain`.
    """

    data: bytes | bytearray
    warnings: tuple[str, ...] = ()
    decided: Mapping[str, Any] = field(default_factory=dict)


def without_resources(name: str, picture: Picture) -> tuple[str, ...]:
    """Return the warning of a format that does not support Photoshop's resources, comments and texts."""
    metadata = picture.metadata
    lost = {"IPTC": metadata.photoshop, "comments": metadata.comments, "PNG texts": metadata.texts}
    named = " and ".join(kind for kind, content in lost.items() if content)
    return (f"its {named} cannot be kept in {name}",) if named else ()
