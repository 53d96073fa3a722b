"""The user's settings of films."""

import json
from dataclasses import asdict, dataclass

from pipeline.errors import FilmError
from pipeline.video.formats import CODECS, WRITTEN, Codec

MOST_CRF = 63


@dataclass(frozen=True, kw_only=True)
class FilmSettings:
    """The defaults keep the film's container and size.

    strength: 0–1, from the unchanged film to the model's full effect.
    codec: a name of CODECS; '': the first that its container is written with, H.264 in all but WebM.
    crf: the encoder's constant rate factor, lower for better; None: the codec's default.
    """

    strength: float = 1.0
    codec: str = ""
    crf: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, not {self.strength}")
        if self.codec and self.codec not in CODECS:
            raise ValueError(f"codec must be one of {', '.join(CODECS)}, not {self.codec}")
        if self.crf is not None and not 0 <= self.crf <= MOST_CRF:
            raise ValueError(f"crf must be from 0 to {MOST_CRF}, not {self.crf}")

    def codec_for(self, container: str) -> Codec:
        """Raises FilmError if the container cannot hold the codec."""
        known = WRITTEN[container]
        if self.codec and self.codec not in known:
            raise FilmError(f"{container} does not hold {self.codec} here; choose {' or '.join(known)}")
        return CODECS[self.codec or known[0]]

    def crf_for(self, container: str) -> int:
        return self.codec_for(container).crf if self.crf is None else self.crf

    def key(self) -> str:
        """Return a text that identifies these settings."""
        return json.dumps(asdict(self), sort_keys=True)
