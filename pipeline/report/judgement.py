"""Does the model help this camera? One sentence, and the gains that it rests on."""

import math
from dataclasses import dataclass

from pipeline.evaluation.scores import COLOUR_DISTANCE, Score, by_photo
from pipeline.report.glossary import YARDSTICKS
from pipeline.report.rendering import number
from wespe.metrics.bootstrap import mean_interval

FEW_PHOTOS = 10
OBJECTS = {
    "untouched": "the untouched photo",
    "histogram_match": "a histogram match",
}


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How much better the enhanced photos are than a yardstick; above 0 is better."""

    yardstick: str
    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval is on one side of zero, else 0."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    headline: str
    detail: str
    metric: str
    unit: str
    photos: int
    gains: list[Gain]


def judge(scores: list[Score]) -> Judgement:
    """Judge by PSNR where photos have a truth, or else by the colours of the whole set."""
    photos = len({score.photo_id for score in scores} - {""})
    if gains := _gains(scores, "psnr", 1):
        judged = len(by_photo(scores, "enhanced", "psnr"))
        detail = _details(gains, "dB", "nearer to the truth", "further from the truth")
        return Judgement(
            headline=_headline_of_truth(gains),
            detail=f"{detail} {_caution(judged)}".strip(),
            metric="psnr",
            unit="dB",
            photos=judged,
            gains=gains,
        )
    gains = _gains(scores, COLOUR_DISTANCE, -1)
    detail = _details(gains, "levels", "nearer to the target’s colours", "further from the target’s colours")
    return Judgement(
        headline=_headline_of_colours(gains),
        detail=f"{detail} No photo has a truth, so nothing is known of detail; a whole set has no interval.",
        metric=COLOUR_DISTANCE,
        unit="levels",
        photos=photos,
        gains=gains,
    )


def _gains(scores: list[Score], metric: str, better: int) -> list[Gain]:
    enhanced = by_photo(scores, "enhanced", metric)
    gains = []
    for yardstick in YARDSTICKS:
        others = by_photo(scores, yardstick, metric)
        paired = [better * (enhanced[i] - others[i]) for i in enhanced.keys() & others.keys()]
        if finite := sorted(filter(math.isfinite, paired)):
            gains.append(Gain(yardstick=yardstick, **mean_interval(finite)))
    return gains


def _headline_of_truth(gains: list[Gain]) -> str:
    signs = {gain.yardstick: gain.sign for gain in gains}
    match signs.get("untouched"), signs.get("histogram_match"):
        case 1, 1:
            return "The model helps this camera, and more than a histogram match does."
        case 1, 0:
            return "The model helps this camera. If more than a histogram match, these photos cannot tell."
        case 1, -1:
            return "The model helps this camera, but less than a histogram match does."
        case 1, None:
            return "The model helps this camera."
        case -1, _:
            return "The model harms this camera’s photos."
    return "The model makes no clear difference to this camera’s photos."


def _headline_of_colours(gains: list[Gain]) -> str:
    signs = {gain.yardstick: gain.sign for gain in gains}
    match signs.get("untouched"), signs.get("histogram_match"):
        case 1, -1:
            return "The model brings colours nearer to the target’s, but less than a histogram match does."
        case 1, _:
            return "The model brings colours nearer to the target’s."
        case -1, _:
            return "The model takes colours away from the target’s."
    return "The model makes no difference to colours that could be measured."


def _details(gains: list[Gain], unit: str, nearer: str, further: str) -> str:
    """Say how much, and how sure, against the untouched photo and the histogram match."""
    parts = []
    for gain in gains:
        if gain.yardstick not in OBJECTS:
            continue
        where = nearer if gain.mean >= 0 else further
        ends = " to ".join(number(end, 2, True) for end in (gain.low, gain.high))
        interval = f" (95 % interval {ends})" if gain.low != gain.high else ""
        parts.append(f"{number(abs(gain.mean))} {unit} {where} than {OBJECTS[gain.yardstick]}{interval}")
    return f"Its photos are {' and '.join(parts)}." if parts else "There is no score to judge by."


def _caution(photos: int) -> str:
    if photos >= FEW_PHOTOS:
        return ""
    return f"Only {photos} test {'photo' if photos == 1 else 'photos'}: take the interval as a hint."
