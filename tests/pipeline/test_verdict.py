"""A model is promoted for being better on the same photos, and for nothing else."""

from pipeline.scores import Score
from pipeline.verdict import compare


def scores(psnrs: dict[str, float], distance: float = 10.0) -> list[Score]:
    rows = [(photo, "psnr", value) for photo, value in psnrs.items()] + [("", "colour_distance", distance)]
    return [Score(photo_id=i, name="", variant="enhanced", metric=m, value=v) for i, m, v in rows]


def without_truth(photos: str, distance: float) -> list[Score]:
    noise = [Score(photo_id=i, name="", variant="enhanced", metric="noise", value=1.0) for i in photos]
    return noise + scores({}, distance)


def test_higher_psnr_on_the_common_photos_wins():
    verdict = compare(scores({"a": 20.0, "b": 22.0}), scores({"a": 19.0, "b": 22.5}))
    assert verdict.promote
    assert "21.00 dB against 20.75 dB on the same 2 test photos" in verdict.reason


def test_photos_that_only_one_of_them_saw_do_not_count():
    easier = {"a": 20.0, "easy": 40.0}
    assert not compare(scores(easier), scores({"a": 21.0, "hard": 5.0})).promote


def test_a_tie_keeps_the_champion():
    assert not compare(scores({"a": 20.0}), scores({"a": 20.0})).promote


def test_no_photo_in_common_keeps_the_champion_and_says_why():
    verdict = compare(scores({"a": 30.0}), scores({"b": 10.0}))
    assert not verdict.promote
    assert "not scored on the same test photos" in verdict.reason


def test_without_truth_the_smaller_colour_distance_wins_on_the_very_same_photos():
    assert compare(without_truth("ab", 3.0), without_truth("ab", 4.0)).promote
    assert not compare(without_truth("ab", 5.0), without_truth("ab", 4.0)).promote
    assert not compare(without_truth("ab", 3.0), without_truth("abc", 4.0)).promote
    assert not compare(without_truth("ab", 3.0), without_truth("ab", 4.0), same_target=False).promote
