"""Computes how often each side of a study is preferred, with confidence intervals."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.files import write_atomically
from pipeline.research.study.answers import Answers
from pipeline.research.study.key import NO_PREFERENCE, Study
from wespe.metrics.interval import MIN_VALUES, mean_interval, share_interval

OVERALL = "overall"
BETWEEN = "  between participants"


@dataclass(frozen=True, kw_only=True)
class Share:
    """A fraction with its 95 % interval. count: number of answers; None for a mean over participants."""

    count: int | None
    fraction: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.fraction:4.0%} [{self.low:.0%}, {self.high:.0%}]"


Shares = dict[str, Share]  # label, or no preference → share


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Shares over all answers and pair by pair.

    between_participants: the mean over participants, since answers of one participant are not independent;
        empty below five participants, which an interval needs.
    """

    study: str
    labels: tuple[str, str]
    participants: int
    overall: Shares
    between_participants: Shares
    pairs: dict[str, Shares]

    def metrics(self) -> dict[str, float]:
        """Return the overall shares and their wider intervals: `study/phone/after`, `….low`, `….high`."""
        named: dict[str, float] = {f"study/{self.study}/participants": self.participants}
        for label, share in self.overall.items():
            shares = [share, self.between_participants.get(label, share)]
            named[f"study/{self.study}/{label}"] = share.fraction
            named[f"study/{self.study}/{label}.low"] = min(one.low for one in shares)
            named[f"study/{self.study}/{label}.high"] = max(one.high for one in shares)
        return named


def count_preferences(study: Study, answers: Sequence[Answers]) -> Preferences:
    """Count the checked answers of at least one participant."""
    chosen = [_labelled(study, participant) for participant in answers]
    labels = (*study.labels, NO_PREFERENCE)
    return Preferences(
        study=study.name,
        labels=study.labels,
        participants=len(answers),
        overall=_shares([label for one in chosen for label in one.values()], labels),
        between_participants=_between(chosen, labels) if len(chosen) >= MIN_VALUES else {},
        pairs={pair.name: _shares([one[pair.id] for one in chosen], labels) for pair in study.pairs},
    )


def table(preferences: Preferences) -> str:
    """Return one line per pair and one for all, in per cent with intervals."""
    columns = list(preferences.overall)
    rows = {**preferences.pairs, OVERALL: preferences.overall}
    if preferences.between_participants:
        rows[BETWEEN] = preferences.between_participants
    lines = [("", columns)] + [(name, [str(share) for share in row.values()]) for name, row in rows.items()]
    first = max(len(name) for name, _ in lines)
    widths = [max(len(cells[i]) for _, cells in lines) for i in range(len(columns))]
    return "\n".join(
        f"{name:{first}}" + "".join(f"   {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for name, cells in lines
    )


def write_preferences(path: Path, preferences: Preferences) -> None:
    write_atomically(path, json.dumps(asdict(preferences), indent=1).encode() + b"\n")


def _labelled(study: Study, answers: Answers) -> dict[str, str]:
    """Return pair id → the label that this participant preferred."""
    label = {
        photo: name for pair in study.pairs for photo, name in zip(pair.photos, study.labels, strict=True)
    }
    return {choice.pair: label.get(choice.chosen or "", NO_PREFERENCE) for choice in answers.choices}


def _shares(chosen: Sequence[str], labels: Sequence[str]) -> Shares:
    return {label: _share(chosen.count(label), len(chosen)) for label in labels}


def _share(count: int, total: int) -> Share:
    low, high = share_interval(count, total)
    return Share(count=count, fraction=count / total, low=low, high=high)


def _between(chosen: Sequence[dict[str, str]], labels: Sequence[str]) -> Shares:
    shares = {}
    for label in labels:
        interval = mean_interval(_fractions(chosen, label))
        low, high = interval["low"] or 0.0, interval["high"] or 0.0
        shares[label] = Share(count=None, fraction=interval["mean"], low=max(0.0, low), high=min(1.0, high))
    return shares


def _fractions(chosen: Sequence[dict[str, str]], label: str) -> Iterator[float]:
    for one in chosen:
        yield list(one.values()).count(label) / len(one)
