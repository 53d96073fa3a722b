"""Exports come from strangers: what the page cannot have written is refused, in one line with the file."""

import json
from collections.abc import Callable

import pytest

from pipeline.errors import PipelineError
from pipeline.research.study.answers import LARGEST_BYTES, read_answers

ZEROS = "0" * 16


def test_valid_exports_are_read(study, export) -> None:
    read = read_answers([export(1), export(2)], study)
    assert [answers.participant[-1] for answers in read] == ["1", "2"]
    assert {len(answers.choices) for answers in read} == {4}


def swap_sides(content: dict) -> None:
    for choice in content["choices"]:
        choice["left"] = choice["chosen"]  # the second label everywhere on the left


CHANGES: dict[str, tuple[Callable[[dict], object], str]] = {
    "another study": (lambda c: c.update(study=ZEROS), "belongs to another study than walk"),
    "unknown pair": (lambda c: c["choices"][0].update(pair=ZEROS), f"walk has no pair {ZEROS}"),
    "unknown photo": (lambda c: c["choices"][0].update(chosen=ZEROS), f"has no photo {ZEROS}"),
    "photo of another pair": (
        lambda c: c["choices"][0].update(chosen=c["choices"][1]["chosen"]),
        "pair .* has no photo",
    ),
    "unfinished": (lambda c: c["choices"].pop(), "3 answers for 4 pairs"),
    "too many answers": (lambda c: c["choices"].append(c["choices"][0]), "5 answers for 4 pairs"),
    "a pair twice": (lambda c: c["choices"].__setitem__(1, c["choices"][0]), "the file was edited"),
    "another order": (lambda c: c["choices"].reverse(), "the file was edited"),
    "other sides": (swap_sides, "the file was edited"),
    "another participant": (lambda c: c.update(participant="f" * 32), "the file was edited"),
    "a number for an id": (lambda c: c.update(study=1), "not a valid file of choices"),
    "a hostile id": (lambda c: c.update(participant="../../etc/passwd\n"), "not a valid file of choices"),
    "an unknown key": (lambda c: c.update({"x\n\x1b[31m" * 99: 1}), "not a valid file of choices"),
    "a missing key": (lambda c: c.pop("choices"), "not a valid file of choices"),
    "a wrong type": (lambda c: c.update(choices={"pair": 1}), "not a valid file of choices"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_exports_that_the_page_cannot_produce_are_rejected(study, export, name) -> None:
    change, message = CHANGES[name]
    file = export(1)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(PipelineError, match=message) as caught:
        read_answers([file], study)
    assert str(caught.value).startswith(str(file))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(file)) + 200


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"study": NaN}', b"1" * 10_000, b"null", b"\x00" * 99],
    ids=["empty", "no text", "deep", "NaN", "long number", "null", "zeros"],
)
def test_other_json_is_rejected(study, tmp_path, data) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(PipelineError, match=r"x\.json is not a valid file of choices"):
        read_answers([tmp_path / "x.json"], study)


def test_a_huge_file_is_refused_before_it_is_parsed(study, tmp_path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(LARGEST_BYTES * 1000)
    with pytest.raises(PipelineError, match="more than 1000000 bytes"):
        read_answers([tmp_path / "x.json"], study)


def test_a_missing_file_or_a_folder_is_reported(study, tmp_path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(PipelineError, match="no such file"):
            read_answers([path], study)


def test_one_participant_is_not_counted_twice(study, export, tmp_path) -> None:
    first = export(1)
    copy = tmp_path / "copy.json"
    copy.write_bytes(first.read_bytes())
    with pytest.raises(PipelineError, match=r"copy\.json: .*choices-1\.json is from the same participant"):
        read_answers([first, copy], study)
