"""What config.json says of data sets: the strictest one decides, and damaged facts never say yes."""

import pytest

from pipeline.models.data_sets import commercial_use, data_sets


def config(**answers: str) -> dict:
    return {"data_sets": [{"name": name, "commercial_use": answer} for name, answer in answers.items()]}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, ""),
        ({"kodak": "yes"}, "yes (kodak)"),
        ({"kodak": "yes", "flickr2k": "unstated"}, "unstated (flickr2k)"),
        ({"flickr2k": "unstated", "div2k": "no", "kitti": "no"}, "no (div2k, kitti)"),
        ({"kodak": "yes", "odd": "perhaps"}, "unstated (odd)"),
    ],
)
def test_the_strictest_set_decides(answers: dict[str, str], expected: str) -> None:
    assert commercial_use(config(**answers)) == expected


def test_a_set_used_twice_is_named_once() -> None:
    twice = [{"name": "dped", "role": role, "commercial_use": "no"} for role in ("photos", "truth")]
    assert commercial_use({"data_sets": twice}) == "no (dped)"


@pytest.mark.parametrize("damaged", [None, 3, "div2k", {"name": "div2k"}, ["div2k", 7]])
def test_damaged_facts_are_no_facts(damaged: object) -> None:
    assert data_sets({"data_sets": damaged}) == []


def test_a_set_without_an_answer_allows_nothing() -> None:
    assert commercial_use({"data_sets": [{"licence": "x"}]}) == "unstated (unknown)"
