"""Order and sides differ from participant to participant, without a lean."""

from collections import Counter

from pipeline.research.study.order import in_order, on_left

PARTICIPANTS = [f"{number:032x}" for number in range(400)]


def test_sides_and_positions_are_balanced(study) -> None:
    lefts = Counter(on_left(one, pair) for one in PARTICIPANTS for pair in study.pairs)
    firsts = Counter(in_order(one, study)[0].id for one in PARTICIPANTS)
    assert all(abs(lefts[photo] - 200) < 50 for pair in study.pairs for photo in pair.photos)  # 5 sigma
    assert all(abs(firsts[pair.id] - 100) < 45 for pair in study.pairs)


def test_all_pairs_are_asked_once(study) -> None:
    for one in PARTICIPANTS:
        assert sorted(pair.id for pair in in_order(one, study)) == sorted(pair.id for pair in study.pairs)


def test_sides_of_different_pairs_are_independent(study) -> None:
    one, other = study.pairs[:2]
    alike = sum(
        (on_left(p, one) == one.photos[0]) == (on_left(p, other) == other.photos[0]) for p in PARTICIPANTS
    )
    assert abs(alike - 200) < 50
