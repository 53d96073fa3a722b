"""A model is promoted for being certainly better on the same photos and sound in itself, for nothing else."""

import math
from dataclasses import fields, replace

import pytest

from pipeline.evaluation.scores import Score
from pipeline.registry.settings import RANGES, Gates
from pipeline.registry.verdict import Rival, Verdict, decide
from wespe.metrics.table import METRICS

SOUND = {
    "fidelity": 20.0,
    "noise_gain": 1.2,
    "colour_correlation": 0.9,
    "contrast_ratio": 1.1,
    "tile_difference": 0.0,
    "megapixels_per_s": 1.0,
}
GATES = Gates(max_tile_difference=1, min_megapixels_per_s=0.02)  # every limit is on
BETTER = {"a": 21.0, "b": 22.0, "c": 23.0, "d": 22.0, "e": 22.0}


def scores(
    psnrs: dict[str, float], yardsticks: float = 19.0, distance: float = 3.0, **checks: float | None
) -> list[Score]:
    """Photos a to e with the enhanced PSNRs; checks are one value for all photos, None leaves one out."""
    rows = [(photo, "enhanced", "psnr", value) for photo, value in psnrs.items()]
    for yardstick in ("untouched", "histogram_match"):
        rows += [(photo, yardstick, "psnr", yardsticks) for photo in psnrs]
        rows += [("", yardstick, "colour_distance", 5.0)]
    rows += [("", "enhanced", "colour_distance", distance)]
    for metric, value in (SOUND | checks).items():
        rows += [(photo, "enhanced", metric, value) for photo in psnrs or "abcde" if value is not None]
    return [Score(photo_id=i, name="", variant=v, metric=m, value=value) for i, v, m, value in rows]


def outcomes(verdict: Verdict) -> dict[str, str]:
    return {gate.name: gate.outcome for gate in verdict.gates if gate.outcome != "passed"}


def measured(verdict: Verdict, name: str) -> str:
    return next(gate.measured for gate in verdict.gates if gate.name == name)


def against(ours: list[Score], theirs: list[Score] | None, same_target: bool = True) -> Verdict:
    return decide(ours, GATES, Rival(version=3, scores=theirs, same_target=same_target))


def test_a_sound_model_that_beats_every_yardstick_is_promoted_and_the_reason_counts_photos():
    verdict = decide(scores(BETTER), GATES)
    assert verdict.promote
    assert "beats untouched: +3.00 dB [+2.12, +3.88], 5 photos" in verdict.reason
    assert "beats champion: no champion yet" in verdict.reason


def test_a_gain_whose_interval_reaches_below_zero_is_no_gain():
    only_untouched = replace(GATES, beat=("untouched",))
    verdict = decide(scores({"a": 30.0, "b": 18.0, "c": 18.5, "d": 18.5, "e": 19.5}), only_untouched)
    assert outcomes(verdict) == {"beats untouched": "failed"}
    assert "required: PSNR gain above 0 dB" in verdict.reason


def test_only_the_named_yardsticks_must_be_beaten():
    ours = [s for s in scores(BETTER) if s.variant != "histogram_match"]
    ours += [s for s in scores(BETTER, yardsticks=40.0) if s.variant == "histogram_match"]
    assert outcomes(decide(ours, GATES)) == {"beats histogram_match": "failed"}
    assert decide(ours, replace(GATES, beat=("untouched",))).promote


def test_the_champion_is_compared_photo_by_photo_on_common_photos():
    worse = {photo: value - 0.5 for photo, value in BETTER.items()} | {"hard": 5.0}
    assert against(scores(BETTER | {"new": 22.0}), scores(worse)).promote
    assert outcomes(against(scores(BETTER), scores(BETTER))) == {"beats champion": "failed"}
    lower = {photo: value - 1 for photo, value in BETTER.items()}
    easier = against(scores(lower | {"new": 23.0}), scores(BETTER | {"hard": 5.0}))
    assert outcomes(easier) == {"beats champion": "failed"}


@pytest.mark.parametrize("theirs", [None, scores({"x": 1.0, "y": 1.0}), scores({"a": 1.0, "b": 1.0})])
def test_a_champion_that_cannot_be_compared_stays(theirs):
    verdict = against(scores(BETTER), theirs)
    assert outcomes(verdict) == {"beats champion": "not measured"}
    assert "version 3" in verdict.reason


@pytest.mark.parametrize("photos", [1, 2, 4])
def test_fewer_than_five_photos_have_no_interval_and_promote_nobody(photos):
    """Protects: no model is promoted by chance. The reason says what is missing and what to do."""
    few = dict.fromkeys("abcd"[:photos], 40.0)
    verdict = decide(scores(few), GATES)
    assert outcomes(verdict) == dict.fromkeys(
        ("beats untouched", "beats histogram_match", "fidelity", "noise gain", "colour correlation"),
        "not measured",
    )
    assert verdict.reason.count("n too small") == 1  # one remedy for all of them
    assert "an interval needs 5; add test photos, or raise the camera's photos.split.test" in verdict.reason


def test_photos_identical_to_their_truth_do_not_make_the_gain_certain():
    verdict = decide(scores({"a": 100.0} | dict.fromkeys("bcde", 18.0)), GATES)
    assert outcomes(verdict).keys() == {"beats untouched", "beats histogram_match"}


def test_without_truth_the_smaller_colour_distance_wins_and_says_that_it_is_one_figure():
    verdict = decide(scores({}), GATES)
    assert verdict.promote
    assert "beats untouched: +2.00 levels, one value for all photos" in verdict.reason
    assert not decide(scores({}, distance=5.5), GATES).promote


def test_without_truth_too_few_photos_promote_nobody():
    few = [s for s in scores({}) if s.photo_id in ("", "a", "b", "c", "d")]
    assert outcomes(decide(few, GATES))["beats untouched"] == "not measured"


def test_without_truth_a_champion_of_other_photos_or_another_target_stays():
    assert against(scores({}), scores({}, distance=4.0)).promote
    assert not against(scores({}), scores({}, distance=2.0)).promote
    assert not against(scores({}), scores({}, distance=4.0), same_target=False).promote
    more = [*scores({}, distance=4.0), Score(photo_id="f", name="", variant="enhanced", metric="x", value=1)]
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
    verdict = decide(scores(BETTER, **{metric: value}), GATES)
    assert outcomes(verdict) == {gate: "failed"}
    assert not verdict.promote
    assert f"{gate} failed" in verdict.reason


@pytest.mark.parametrize("metric", SOUND)
def test_a_self_check_without_scores_does_not_pass_in_silence(metric):
    verdict = decide(scores(BETTER, **{metric: None}), GATES)
    assert list(outcomes(verdict).values()) == ["not measured"]
    assert not verdict.promote
    assert "run the evaluation again" in verdict.reason


def test_one_collapsed_photo_among_many_is_seen():
    ours = scores({f"{n}": 21.0 + n / 10 for n in range(20)})
    [first, *_] = [s for s in ours if s.metric == "contrast_ratio"]
    flat = Score(photo_id=first.photo_id, name="", variant="enhanced", metric="contrast_ratio", value=0.0)
    assert outcomes(decide([s for s in ours if s is not first] + [flat], GATES)) == {
        "contrast ratio": "failed"
    }


def test_a_figure_just_below_its_limit_is_printed_so_that_both_differ():
    """Protects: no "0.02, required: at least 0.02"."""
    verdict = decide(scores(BETTER, megapixels_per_s=0.0196), GATES)
    assert "speed failed: 0.0196 MP/s at best, 5 photos, required: at least 0.02 MP/s" in verdict.reason
    assert measured(decide(scores(BETTER, noise_gain=2.0004), GATES), "noise gain").startswith("2.0004 ")


def test_a_machine_that_was_busy_for_a_while_fails_no_speed_gate():
    ours = scores(BETTER, megapixels_per_s=0.001)
    fast = [replace(s, value=1.0) if (s.metric, s.photo_id) == ("megapixels_per_s", "c") else s for s in ours]
    assert decide(fast, GATES).promote
    assert not decide(ours, GATES).promote
    assert decide(ours, Gates()).promote  # off by default


def test_a_gate_that_is_off_lets_through_and_the_reason_says_so():
    gates = replace(GATES, max_tile_difference=None)
    verdict = decide(scores(BETTER, tile_difference=30.0), gates)
    assert verdict.promote
    assert "turned off: tile difference" in verdict.reason
    assert decide(scores(BETTER, tile_difference=None), gates).promote


def test_every_limit_belongs_to_one_metric_and_has_a_range():
    limits = {field.name for field in fields(Gates)} - {"beat"}
    assert limits == set(RANGES) == {metric.gate for metric in METRICS.values()} - {""}


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"beat": ()}, "beat must name one or more of untouched, histogram_match"),
        ({"beat": ("enhanced",)}, "beat must name one or more of"),
        ({"max_noise_gain": -1.0}, "max_noise_gain must be between 0 and 100, not -1"),
        ({"min_colour_correlation": 2.0}, "min_colour_correlation must be between -1 and 1, not 2"),
    ],
)
def test_limits_out_of_range_are_named(gates, message):
    with pytest.raises(ValueError, match=message):
        Gates(**gates)


def test_without_truths_a_histogram_match_need_not_be_beaten_in_what_it_is_fitted_to():
    ours = scores({}, distance=4.0)
    verdict = decide([replace(s, value=3.0) if s.variant == "histogram_match" else s for s in ours], GATES)
    assert outcomes(verdict) == {"beats histogram_match": "off"}
    assert verdict.promote
    assert "turned off: beats histogram_match" in verdict.reason
