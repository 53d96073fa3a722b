"""Whether a model becomes the champion: every gate, judged on the same test photos, or not at all."""

from dataclasses import dataclass, replace

from pipeline.evaluation.scores import COLOUR_DISTANCE, Score, by_photo
from pipeline.registry.gates import CAP_DB, Gate, Gates, count, self_checks
from wespe.metrics.bootstrap import mean_interval

EVALUATE_AGAIN = "run the evaluation again (`dvc repro -f -s evaluate@CAMERA`)"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion that a model has to beat; `scores` is None where they cannot be read."""

    version: int
    scores: list[Score] | None
    same_target: bool = True


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision, why in one line, and every gate."""

    promote: bool
    reason: str
    gates: tuple[Gate, ...]


def judge(scores: list[Score], gates: Gates, champion: Rival | None = None) -> Verdict:
    """Promote a model that is better than the yardsticks and the champion and passes its self checks.

    Better by PSNR, photo by photo, where photos have a truth, or else by the colour distance to the target's
    photos. PSNR needs common photos; the distance belongs to whole sets, so there test photos and target must
    be the same.
    """
    rivals = [_beats(yardstick, scores, scores, variant=yardstick) for yardstick in gates.beat]
    results = (*rivals, _beats_champion(scores, champion), *self_checks(scores, gates))
    promote = all(gate.open for gate in results)
    reason = _praise(results) if promote else _complaint(results)
    return Verdict(promote=promote, reason=reason, gates=results)


def _beats_champion(scores: list[Score], champion: Rival | None) -> Gate:
    if champion is None:
        return Gate(name="beats champion", threshold="none", measured="there is none", outcome="passed")
    if champion.scores is None:
        gate = _not_measured("champion", "its scores cannot be read")
    else:
        gate = _beats("champion", scores, champion.scores, same_target=champion.same_target)
    return replace(gate, measured=f"{gate.measured} (version {champion.version})")


def _beats(
    rival: str, ours: list[Score], theirs: list[Score], *, variant: str = "enhanced", same_target: bool = True
) -> Gate:
    new, old = by_photo(ours, "enhanced", "psnr"), by_photo(theirs, variant, "psnr")
    if new:
        return _by_psnr(rival, [_gain(new[photo], old[photo]) for photo in sorted(new.keys() & old.keys())])
    if rival == "histogram_match":
        return Gate(
            name=f"beats {rival}",
            threshold="none without truths",
            measured="it is fitted to colours",
            outcome="off",
        )
    photos = {score.photo_id for score in ours}
    same = same_target and photos == {score.photo_id for score in theirs}
    distance, other = by_photo(ours, "enhanced", COLOUR_DISTANCE), by_photo(theirs, variant, COLOUR_DISTANCE)
    if not (same and distance and other):
        return _not_measured(rival, "not scored on the same test photos and target")
    return _by_distance(rival, distance[""], other[""], len(photos - {""}))


def _by_psnr(rival: str, gains: list[float]) -> Gate:
    if len(gains) < 2:
        return _not_measured(rival, f"{count(len(gains))} in common, an interval needs 2")
    gain = mean_interval(gains)
    return Gate(
        name=f"beats {rival}",
        threshold="PSNR gain above 0 dB",
        measured=f"{gain['mean']:+.2f} dB [{gain['low']:+.2f}, {gain['high']:+.2f}], {count(len(gains))}",
        outcome="passed" if gain["low"] > 0 else "failed",
    )


def _by_distance(rival: str, ours: float, theirs: float, photos: int) -> Gate:
    return Gate(
        name=f"beats {rival}",
        threshold=f"colour distance below {theirs:.2f} levels",
        measured=f"{ours:.2f} levels, one figure for {count(photos)}: no interval",
        outcome="passed" if ours < theirs else "failed",
    )


def _gain(new_db: float, old_db: float) -> float:
    return min(new_db, CAP_DB) - min(old_db, CAP_DB)


def _not_measured(rival: str, why: str) -> Gate:
    return Gate(
        name=f"beats {rival}", threshold="better on the same photos", measured=why, outcome="not measured"
    )


def _praise(gates: tuple[Gate, ...]) -> str:
    beaten = "; ".join(f"{gate.name}: {gate.measured}" for gate in gates if gate.name.startswith("beats "))
    off = ", ".join(gate.name for gate in gates if gate.outcome == "off")
    return f"passed all gates; {beaten}" + (f"; not looked at: {off}" if off else "")


def _complaint(gates: tuple[Gate, ...]) -> str:
    """Name every gate that is closed; those without any score share one remedy."""
    missing = [gate.name for gate in gates if gate.outcome == "not measured" and gate.measured == "nothing"]
    told = [
        f"{gate.name} {gate.outcome}: {gate.measured}"
        + (f", wanted {gate.threshold}" if gate.outcome == "failed" else "")
        for gate in gates
        if not gate.open and gate.name not in missing
    ]
    if missing:
        told.append(f"{', '.join(missing)} not measured: {EVALUATE_AGAIN}")
    return "no champion: " + "; ".join(told)
