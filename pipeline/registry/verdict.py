"""Decides whether a model becomes champion: all gates must be measured on the same test photos."""

from dataclasses import dataclass, replace

from pipeline.evaluation.gains import (
    TARGET_DECIDES,
    Gain,
    deciding_metric,
    gain,
    too_few,
)
from pipeline.evaluation.scores import Score, by_photo
from pipeline.registry.gates import Gate, self_checks
from pipeline.registry.settings import Gates
from wespe.metrics.interval import MIN_VALUES
from wespe.metrics.table import METRICS

EVALUATE_AGAIN = "run the evaluation again (`dvc repro -f -s evaluate@CAMERA`)"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion that a model must beat; `scores` is None if they cannot be read."""

    version: int
    scores: list[Score] | None
    same_target: bool = True


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision, its reason in one line, and all gates."""

    promote: bool
    reason: str
    gates: tuple[Gate, ...]


def decide(scores: list[Score], gates: Gates, champion: Rival | None = None) -> Verdict:
    """Promote a model that beats the baselines and the champion, and passes its self checks.

    `gains.gain` decides: by PSNR per photo if photos have truths, else by the colour distance to the target's
    photos. That is one value for all photos, so test photos and target must be the same.
    """
    rivals = [_beats(yardstick, scores, scores, variant=yardstick) for yardstick in gates.beat]
    results = (*rivals, _beats_champion(scores, champion), *self_checks(scores, gates))
    promote = all(gate.open for gate in results)
    reason = _praise(results) if promote else _complaint(results)
    return Verdict(promote=promote, reason=reason, gates=results)


def _beats_champion(scores: list[Score], champion: Rival | None) -> Gate:
    if champion is None:
        return Gate(name="beats champion", threshold="none", measured="no champion yet", outcome="passed")
    if champion.scores is None:
        gate = _not_measured("champion", "its scores cannot be read")
    else:
        gate = _beats("champion", scores, champion.scores, same_target=champion.same_target)
    return replace(gate, measured=f"{gate.measured} (version {champion.version})")


def _beats(
    rival: str, ours: list[Score], theirs: list[Score], *, variant: str = "enhanced", same_target: bool = True
) -> Gate:
    metric = deciding_metric(ours)
    if metric == TARGET_DECIDES:
        if rival == "histogram_match":
            return _fitted_to_target(rival)
        photos = {score.photo_id for score in ours} - {""}
        if not same_target or photos != {score.photo_id for score in theirs} - {""}:
            return _not_measured(rival, "not scored on the same test photos and target")
        if len(photos) < MIN_VALUES:
            return _not_measured(rival, too_few(len(photos)))
    gained = gain(metric, by_photo(ours, "enhanced", metric), by_photo(theirs, variant, metric))
    if gained is None:
        return _not_measured(rival, f"no test photo in common has {METRICS[metric].label}")
    return _gate(rival, gained)


def _gate(rival: str, gained: Gain) -> Gate:
    if gained.answer == "too few photos":
        return _not_measured(rival, too_few(gained.photos))
    metric = METRICS[gained.metric]
    return Gate(
        name=f"beats {rival}",
        threshold=f"{metric.label} gain above 0 {metric.unit}",
        measured=str(gained),
        outcome="passed" if gained.answer == "better" else "failed",
    )


def _fitted_to_target(rival: str) -> Gate:
    return Gate(
        name=f"beats {rival}",
        threshold="none without truths",
        measured="it is fitted to the target's colours",
        outcome="off",
    )


def _not_measured(rival: str, why: str) -> Gate:
    return Gate(
        name=f"beats {rival}", threshold="better on the same photos", measured=why, outcome="not measured"
    )


def _praise(gates: tuple[Gate, ...]) -> str:
    beaten = "; ".join(f"{gate.name}: {gate.measured}" for gate in gates if gate.name.startswith("beats "))
    off = ", ".join(gate.name for gate in gates if gate.outcome == "off")
    return f"passed all gates; {beaten}" + (f"; turned off: {off}" if off else "")


def _complaint(gates: tuple[Gate, ...]) -> str:
    """List all gates that are not open; gates that were not measured for the same reason are grouped."""
    reasons: dict[str, list[str]] = {}
    for gate in gates:
        if gate.outcome == "not measured":
            why = EVALUATE_AGAIN if gate.measured == "nothing" else gate.measured
            reasons.setdefault(why, []).append(gate.name)
    parts = [
        f"{gate.name} failed: {gate.measured}, required: {gate.threshold}"
        for gate in gates
        if gate.outcome == "failed"
    ]
    parts += [f"{', '.join(names)} not measured: {reason}" for reason, names in reasons.items()]
    return "no champion: " + "; ".join(parts)
