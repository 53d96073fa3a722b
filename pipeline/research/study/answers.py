"""Reads and validates the files that participants send back; they are untrusted input."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import StringConstraints, TypeAdapter, ValidationError

from pipeline.errors import PipelineError
from pipeline.research.study.key import Study
from pipeline.research.study.order import in_order, on_left

LARGEST_BYTES = 1_000_000  # thousands of pairs
SHOWN = 80  # characters of untrusted text in a message
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Participant = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Ids of a pair, of the photo on its left, and of the preferred photo; None for no preference."""

    pair: Id
    left: Id
    chosen: Id | None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All choices of one participant, in the order they were asked."""

    study: Id
    participant: Participant
    choices: tuple[Choice, ...]

    __pydantic_config__: ClassVar = {"extra": "forbid"}


def read_answers(files: Iterable[Path], study: Study) -> list[Answers]:
    """Read the exports of a study, one per participant. Raises PipelineError naming the file."""
    read: dict[str, tuple[Path, Answers]] = {}
    for file in files:
        answers = _parse(file)
        _check(file, answers, study)
        if answers.participant in read:
            other = read[answers.participant][0]
            raise PipelineError(f"{file}: {other} is from the same participant; leave one of them out")
        read[answers.participant] = (file, answers)
    return [answers for _, answers in read.values()]


def _parse(file: Path) -> Answers:
    if not file.is_file():
        raise PipelineError(f"{file}: no such file; give --collect the files that participants saved")
    with file.open("rb") as opened:
        data = opened.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise PipelineError(
            f"{file}: more than {LARGEST_BYTES} bytes is too large for a file of choices; leave it out"
        )
    try:
        return TypeAdapter(Answers).validate_json(data, strict=True)
    except ValidationError as error:
        mistake = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, mistake["loc"])) or "the whole file"
        reason = ascii(f"{where}: {mistake['msg']}")[1:-1][:SHOWN]
        raise PipelineError(
            f"{file} is not a valid file of choices ({reason}); ask the participant for it again"
        ) from None


def _check(file: Path, answers: Answers, study: Study) -> None:
    """Reject answers that the page cannot have produced."""
    if answers.study != study.id:
        raise PipelineError(
            f"{file}: belongs to another study than {study.name}; leave it out, or collect it there"
        )
    asked = in_order(answers.participant, study)
    unknown = {choice.pair for choice in answers.choices} - {pair.id for pair in asked}
    if unknown:
        raise PipelineError(f"{file}: study {study.name} has no pair {min(unknown)}; leave the file out")
    if len(answers.choices) != len(asked):
        count = f"{len(answers.choices)} answers for {len(asked)} pairs"
        raise PipelineError(f"{file}: {count}; ask for the file that the last screen saves")
    for choice, pair in zip(answers.choices, asked, strict=True):
        if choice.pair != pair.id or choice.left != on_left(answers.participant, pair):
            raise PipelineError(
                f"{file}: order or sides do not match the participant, so the file was edited; leave it out"
            )
        if choice.chosen not in (*pair.photos, None):
            raise PipelineError(f"{file}: pair {pair.id} has no photo {choice.chosen}; leave the file out")
