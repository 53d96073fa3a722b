"""Whether a new model replaces the champion: decided on the same test photos, or not at all."""

from dataclasses import dataclass
from statistics import fmean

from pipeline.scores import COLOUR_DISTANCE, Score, by_photo


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision and why, in one line."""

    promote: bool
    reason: str


def compare(challenger: list[Score], champion: list[Score], *, same_target: bool = True) -> Verdict:
    """Judge by mean PSNR where photos have a truth, or else by the colour distance to the target's photos.

    PSNR needs common photos; the distance belongs to whole sets, so there test photos and target must be the
    same.
    """
    new, old = (by_photo(scores, "enhanced", "psnr") for scores in (challenger, champion))
    if common := sorted(new.keys() & old.keys()):
        ours, theirs = (fmean(psnrs[photo_id] for photo_id in common) for psnrs in (new, old))
        return _verdict(ours > theirs, f"PSNR {ours:.2f} dB against {theirs:.2f} dB", len(common))
    photos = {score.photo_id for score in challenger}
    if not new and same_target and photos == {score.photo_id for score in champion}:
        ours, theirs = (by_photo(s, "enhanced", COLOUR_DISTANCE)[""] for s in (challenger, champion))
        compared = f"colour distance to the target {ours:.2f} against {theirs:.2f} levels"
        return _verdict(ours < theirs, compared, len(photos - {""}))
    return Verdict(
        promote=False, reason="the champion stays: it was not scored on the same test photos and target"
    )


def _verdict(better: bool, compared: str, photos: int) -> Verdict:
    decision = "beats the champion" if better else "the champion stays"
    return Verdict(promote=better, reason=f"{decision}: {compared} on the same {photos} test photos")
