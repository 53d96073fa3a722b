"""A model is promoted for being surely better on the same photos and sound in itself, for nothing else."""

import math
from dataclasses import replace

import pytest

from pipeline.evaluation.scores import Score
from pipeline.registry.gates import Gates
from pipeline.registry.verdict import Rival, Verdict, judge

SOUND = {
    "fidelity": 20.0,
    "noise_gain": 1.2,
    "colour_correlation": 0.9,
    "contrast_ratio": 1.1,
    "tile_difference": 0.0,
    "megapixels_per_s": 1.0,
}
GATES = Gates(max_tile_difference=1)  # every check is looked at
BETTER = {"a": 21.0, "b": 22.0, "c": 23.0}


def scores(
    psnrs: dict[str, float], yardsticks: float = 19.0, distance: float = 3.0, **checks: float | None
) -> list[Score]:
    """Photos a, b, c with the enhanced PSNRs; checks are one value for all photos, None leaves one out."""
    rows = [(photo, "enhanced", "psnr", value) for photo, value in psnrs.items()]
    for yardstick in ("untouched", "histogram_match"):
        rows += [(photo, yardstick, "psnr", yardsticks) for photo in psnrs]
        rows += [("", yardstick, "colour_distance", 5.0)]
    rows += [("", "enhanced", "colour_distance", distance)]
    for metric, value in (SOUND | checks).items():
        rows += [(photo, "enhanced", metric, value) for photo in psnrs or "abc" if value is not None]
    return [Score(photo_id=i, name="", variant=v, metric=m, value=value) for i, v, m, value in rows]


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {gate.name: gate.outcome for gate in verdict.gates if gate.outcome != "passed"}


def against(ours: list[Score], theirs: list[Score] | None, same_target: bool = True) -> Verdict:
    return judge(ours, GATES, Rival(version=3, scores=theirs, same_target=same_target))


def test_a_sound_model_that_beats_every_yardstick_is_promoted_and_the_reason_counts_photos():
    verdict = judge(scores(BETTER), GATES)
    assert verdict.promote
    assert "beats untouched: +3.00 dB [+2.00, +4.00], 3 photos" in verdict.reason
    assert "beats champion: there is none" in verdict.reason


def test_a_gain_whose_interval_reaches_below_zero_is_no_gain():
    verdict = judge(
        scores({"a": 30.0, "b": 18.0, "c": 18.5}), Gates(beat=("untouched",), max_tile_difference=1)
    )
    assert outcomes(verdict) == {"beats untouched": "failed"}
    assert "wanted PSNR gain above 0 dB" in verdict.reason


def test_only_the_named_yardsticks_must_be_beaten():
    ours = [s for s in scores(BETTER) if s.variant != "histogram_match"]
    ours += [s for s in scores(BETTER, yardsticks=40.0) if s.variant == "histogram_match"]
    assert outcomes(judge(ours, GATES)) == {"beats histogram_match": "failed"}
    assert judge(ours, Gates(beat=("untouched",), max_tile_difference=1)).promote


def test_the_champion_is_compared_photo_by_photo_on_common_photos():
    worse = {"a": 20.5, "b": 21.5, "hard": 5.0}
    assert against(scores(BETTER | {"easy": 50.0}), scores(worse)).promote
    assert outcomes(against(scores(BETTER), scores(BETTER))) == {"beats champion": "failed"}
    easier = against(
        scores({"a": 20.0, "b": 20.0, "easy": 50.0}), scores({"a": 21.0, "b": 21.0, "hard": 5.0})
    )
    assert outcomes(easier) == {"beats champion": "failed"}


@pytest.mark.parametrize("theirs", [None, scores({"x": 1.0, "y": 1.0}), scores({"a": 1.0})])
def test_a_champion_that_cannot_be_compared_stays(theirs):
    verdict = against(scores(BETTER), theirs)
    assert outcomes(verdict) == {"beats champion": "not measured"}
    assert "version 3" in verdict.reason


def test_one_photo_has_no_interval_and_promotes_nobody():
    verdict = judge(scores({"a": 40.0}), GATES)
    assert outcomes(verdict)["beats untouched"] == "not measured"
    assert "an interval needs 2" in verdict.reason


def test_photos_identical_to_their_truth_do_not_make_the_gain_infinite():
    assert outcomes(judge(scores({"a": math.inf, "b": 18.0, "c": 18.0}), GATES)).keys() == {
        "beats untouched",
        "beats histogram_match",
    }


def test_without_truth_the_smaller_colour_distance_wins_and_says_that_it_has_no_interval():
    verdict = judge(scores({}), GATES)
    assert verdict.promote
    assert "3.00 levels, one figure for 3 photos: no interval" in verdict.reason
    assert not judge(scores({}, distance=5.5), GATES).promote


def test_without_truth_a_champion_of_other_photos_or_another_target_stays():
    assert against(scores({}), scores({}, distance=4.0)).promote
    assert not against(scores({}), scores({}, distance=2.0)).promote
    assert not against(scores({}), scores({}, distance=4.0), same_target=False).promote
    more = [*scores({}, distance=4.0), Score(photo_id="d", name="", variant="enhanced", metric="x", value=1)]
    assert not against(scores({}), more).promote


@pytest.mark.parametrize(
    ("metric", "value", "gate"),
    [
        ("fidelity", 5.0, "fidelity"),
        ("noise_gain", 3.0, "noise gain"),
        ("noise_gain", math.nan, "noise gain"),
        ("colour_correlation", -0.2, "colour correlation"),
        ("contrast_ratio", 0.01, "contrast ratio"),
        ("contrast_ratio", math.nan, "contrast ratio"),
        ("tile_difference", 9.0, "tile difference"),
        ("megapixels_per_s", 0.001, "speed"),
    ],
)
def test_a_gain_does_not_buy_a_failed_self_check(metric, value, gate):
    verdict = judge(scores(BETTER, **{metric: value}), GATES)
    assert outcomes(verdict) == {gate: "failed"}
    assert not verdict.promote
    assert f"{gate} failed" in verdict.reason


@pytest.mark.parametrize("metric", SOUND)
def test_a_self_check_without_scores_does_not_pass_in_silence(metric):
    verdict = judge(scores(BETTER, **{metric: None}), GATES)
    assert list(outcomes(verdict).values()) == ["not measured"]
    assert not verdict.promote
    assert "run the evaluation again" in verdict.reason


def test_one_collapsed_photo_among_many_is_seen():
    ours = scores({f"{n}": 21.0 + n / 10 for n in range(20)})
    [first, *_] = [s for s in ours if s.metric == "contrast_ratio"]
    flat = Score(photo_id=first.photo_id, name="", variant="enhanced", metric="contrast_ratio", value=0.0)
    assert outcomes(judge([s for s in ours if s is not first] + [flat], GATES)) == {
        "contrast ratio": "failed"
    }


def test_a_gate_that_is_off_lets_through_and_the_reason_tells():
    verdict = judge(scores(BETTER, tile_difference=30.0), Gates(max_tile_difference=None))
    assert verdict.promote
    assert "not looked at: tile difference" in verdict.reason
    assert judge(scores(BETTER, tile_difference=None), Gates(max_tile_difference=None)).promote


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"beat": ()}, "beat must name one or more of untouched, histogram_match"),
        ({"beat": ("enhanced",)}, "beat must name one or more of"),
        ({"max_noise_gain": -1.0}, "max_noise_gain must be between 0 and 100, not -1"),
        ({"min_colour_correlation": 2.0}, "min_colour_correlation must be between -1 and 1, not 2"),
    ],
)
def test_thresholds_out_of_range_are_named(gates, message):
    with pytest.raises(ValueError, match=message):
        Gates(**gates)


def test_without_truths_nobody_has_to_beat_what_is_fitted_to_the_same_figure():
    ours = scores({}, distance=4.0)
    verdict = judge([replace(s, value=3.0) if s.variant == "histogram_match" else s for s in ours], GATES)
    assert outcomes(verdict) == {"beats histogram_match": "off"}
    assert verdict.promote
    assert "not looked at: beats histogram_match" in verdict.reason
