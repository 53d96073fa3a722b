"""The conclusion whether the model improves this camera's photos: one sentence, and the gains behind it."""

from dataclasses import dataclass

from pipeline.evaluation.gains import TRUTH_DECIDES, Answer, Gain, deciding_metric, gain
from pipeline.evaluation.scores import Score, by_photo
from pipeline.evaluation.variants import YARDSTICKS
from pipeline.report.rendering import interval_text, number
from wespe.metrics.interval import MIN_VALUES
from wespe.metrics.table import METRICS

OBJECTS = {
    "untouched": "the untouched photo",
    "histogram_match": "a histogram match",
}


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The conclusion. gains: by baseline, measured with `metric`."""

    headline: str
    detail: str
    metric: str
    photos: int
    gains: dict[str, Gain]

    @property
    def unit(self) -> str:
        return METRICS[self.metric].unit


def conclude(scores: list[Score]) -> Conclusion:
    """Conclude from PSNR if photos have truths, else from the colours of all photos together."""
    metric = deciding_metric(scores)
    enhanced = by_photo(scores, "enhanced", metric)
    found = {
        yardstick: gain(metric, enhanced, by_photo(scores, yardstick, metric)) for yardstick in YARDSTICKS
    }
    gains = {yardstick: one for yardstick, one in found.items() if one}
    answers = {yardstick: one.answer for yardstick, one in gains.items()}
    with_truth = metric == TRUTH_DECIDES
    photos = len(enhanced) if with_truth else len({score.photo_id for score in scores} - {""})
    return Conclusion(
        headline=(_headline_of_truth if with_truth else _headline_of_colours)(answers),
        detail=_detail(metric, gains, photos),
        metric=metric,
        photos=photos,
        gains=gains,
    )


def _headline_of_truth(answers: dict[str, Answer]) -> str:
    match answers.get("untouched"), answers.get("histogram_match"):
        case "better", "better":
            return "The model improves this camera’s photos, more than a histogram match does."
        case "better", "unclear":
            return (
                "The model improves this camera’s photos. It is unclear whether it is better than a "
                "histogram match."
            )
        case "better", "worse":
            return "The model improves this camera’s photos, but less than a histogram match does."
        case "better", _:
            return "The model improves this camera’s photos."
        case "worse", _:
            return "The model makes this camera’s photos worse."
        case "too few photos", _:
            return "There are too few test photos to tell whether the model improves this camera’s photos."
    return "The model makes no clear difference to this camera’s photos."


def _headline_of_colours(answers: dict[str, Answer]) -> str:
    match answers.get("untouched"), answers.get("histogram_match"):
        case "better", "worse":
            return "The model moves colours closer to the target’s, but less than a histogram match does."
        case "better", _:
            return "The model moves colours closer to the target’s."
        case "worse", _:
            return "The model moves colours further from the target’s."
    return "The model makes no measurable difference to colours."


def _detail(metric: str, gains: dict[str, Gain], photos: int) -> str:
    """State how much closer the photos are than the untouched ones and a histogram match, with intervals."""
    what = "to the truth" if metric == TRUTH_DECIDES else "to the target’s colours"
    parts = [_part(gains[yardstick], what, name) for yardstick, name in OBJECTS.items() if yardstick in gains]
    if not parts:
        return "No score is available that tells which photos are better."
    sentence = f"The enhanced photos are {' and '.join(parts)}.{_training(gains, metric)}"
    if metric != TRUTH_DECIDES:
        return (
            f"{sentence} No photo has a truth, so nothing is known about detail, and there is only one value "
            "for all photos, without an interval."
        )
    if photos < MIN_VALUES:
        return f"{sentence} n too small for an interval: {photos} test photos, at least {MIN_VALUES} needed."
    return sentence


def _training(gains: dict[str, Gain], metric: str) -> str:
    """State what the training has added to the model as it was before the first step."""
    if "start" not in gains:
        return ""
    one, digits = gains["start"], METRICS[metric].digits
    ends = interval_text(one.interval, digits, signed=True)
    return (
        f" Training added {number(one.interval['mean'], digits, signed=True)} {METRICS[metric].unit}"
        + (f" (95 % interval {ends})" if ends else "")
        + " to what the model was before its first step."
    )


def _part(one: Gain, what: str, name: str) -> str:
    metric, mean = METRICS[one.metric], one.interval["mean"]
    nearer = "closer" if mean >= 0 else "further from"
    where = f"{nearer} {what}" if mean >= 0 else f"{nearer} {what.removeprefix('to ')}"
    ends = interval_text(one.interval, metric.digits, signed=True)
    return f"{number(abs(mean), metric.digits)} {metric.unit} {where} than {name}" + (
        f" (95 % interval {ends})" if ends else ""
    )
