"""How often each side of a study is preferred, and how sure that is."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.files import write_atomically
from pipeline.research.study.answers import Answers
from pipeline.research.study.key import NO_PREFERENCE, Study
from wespe.metrics.bootstrap import mean_interval

Z95 = 1.959964  # standard deviations that hold 95 % of a normal distribution
OVERALL = "overall"


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of all answers, as a fraction with its 95 % Wilson interval."""

    count: int
    fraction: float
    low: float
    high: float


Shares = dict[str, Share]  # label, or no preference → share


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Shares over all answers and pair by pair.

    between_participants: label → mean, low, high of the bootstrap over participants, whose answers are not
    independent of each other; empty for a single one.
    """

    study: str
    labels: tuple[str, str]
    participants: int
    overall: Shares
    between_participants: dict[str, dict[str, float]]
    pairs: dict[str, Shares]

    def metrics(self) -> dict[str, float]:
        """Name the overall shares, each with its wider interval: `study/phone/after`, `….low`, `….high`."""
        named: dict[str, float] = {f"study/{self.study}/participants": self.participants}
        for label, share in self.overall.items():
            # The bootstrap knows that a person's answers go together, but is too narrow for a few people.
            intervals = [asdict(share), self.between_participants.get(label, asdict(share))]
            named[f"study/{self.study}/{label}"] = share.fraction
            named[f"study/{self.study}/{label}.low"] = min(interval["low"] for interval in intervals)
            named[f"study/{self.study}/{label}.high"] = max(interval["high"] for interval in intervals)
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
        between_participants=_between(chosen, labels) if len(chosen) > 1 else {},
        pairs={pair.name: _shares([one[pair.id] for one in chosen], labels) for pair in study.pairs},
    )


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a fraction (Wilson 1927)."""
    fraction, z2 = count / total, Z95**2 / total
    centre = (fraction + z2 / 2) / (1 + z2)
    half = math.sqrt(fraction * (1 - fraction) * z2 + z2**2 / 4) / (1 + z2)
    return max(0.0, centre - half), min(1.0, centre + half)


def table(preferences: Preferences) -> str:
    """One line a pair and one for all: per cent with intervals."""
    columns = list(preferences.overall)
    rows = {**preferences.pairs, OVERALL: preferences.overall}
    lines = [("", columns)] + [(name, [_cell(asdict(s)) for s in row.values()]) for name, row in rows.items()]
    if between := preferences.between_participants:
        lines.append(("  over participants", [_cell(interval) for interval in between.values()]))
    first = max(len(name) for name, _ in lines)
    widths = [max(len(cells[i]) for _, cells in lines) for i in range(len(columns))]
    return "\n".join(
        f"{name:{first}}" + "".join(f"   {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for name, cells in lines
    )


def write_preferences(path: Path, preferences: Preferences) -> None:
    write_atomically(path, json.dumps(asdict(preferences), indent=1).encode() + b"\n")


def _labelled(study: Study, answers: Answers) -> dict[str, str]:
    """Pair id → the label that this participant preferred."""
    label = {
        photo: name for pair in study.pairs for photo, name in zip(pair.photos, study.labels, strict=True)
    }
    return {choice.pair: label.get(choice.chosen or "", NO_PREFERENCE) for choice in answers.choices}


def _shares(chosen: Sequence[str], labels: Sequence[str]) -> Shares:
    return {label: _share(chosen.count(label), len(chosen)) for label in labels}


def _share(count: int, total: int) -> Share:
    low, high = wilson(count, total)
    return Share(count=count, fraction=count / total, low=low, high=high)


def _between(chosen: Sequence[dict[str, str]], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    return {label: mean_interval(list(_fractions(chosen, label))) for label in labels}


def _fractions(chosen: Sequence[dict[str, str]], label: str) -> Iterator[float]:
    for one in chosen:
        yield list(one.values()).count(label) / len(one)


def _cell(share: dict[str, float]) -> str:
    fraction = share["fraction"] if "fraction" in share else share["mean"]
    return f"{fraction:4.0%} [{share['low']:.0%}, {share['high']:.0%}]"
