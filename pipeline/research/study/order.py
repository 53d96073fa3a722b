"""The order and sides of photos for a participant, derived from the participant's random id.

page.js computes the same in the browser, so that files of choices can be validated.
"""

from pipeline.research.study.key import Pair, Study

BITS = 0xFFFFFFFF


def in_order(participant: str, study: Study) -> list[Pair]:
    """Return the study's pairs in this participant's order."""
    return sorted(study.pairs, key=lambda pair: (_hash(f"{participant} order {pair.id}"), pair.id))


def on_left(participant: str, pair: Pair) -> str:
    """Return the id of the photo that this participant sees on the left, or at the top."""
    return sorted(pair.photos)[_hash(f"{participant} side {pair.id}") % 2]


def _hash(text: str) -> int:
    """FNV-1a, 32 bits, then the finaliser of MurmurHash3, which mixes its low bits."""
    value = 0x811C9DC5
    for byte in text.encode("ascii"):
        value = (value ^ byte) * 0x01000193 & BITS
    value = (value ^ value >> 16) * 0x85EBCA6B & BITS
    value = (value ^ value >> 13) * 0xC2B2AE35 & BITS
    return value ^ value >> 16
