"""What a model's config.json says of the public data sets that it was learned from."""

from collections.abc import Mapping
from typing import Any

DATA_SETS = "data_sets"
RANK = ("no", "unstated", "yes")  # a model may do what all of its data sets allow


def data_sets(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the facts of each data set; none for models from photos of one's own."""
    listed = config.get(DATA_SETS)
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [{str(key): str(value) for key, value in one.items()} for one in found]


def commercial_use(config: Mapping[str, Any]) -> str:
    """Return whether the data sets allow commercial use, and which decide it; '' if there are none.

    Examples: `no (dped, div2k)`, `unstated (flickr2k)`, `yes (kodak)`.
    """
    by_answer: dict[str, list[str]] = {}
    for one in data_sets(config):
        answer = one.get("commercial_use", "")
        by_answer.setdefault(answer if answer in RANK else "unstated", []).append(one.get("name", "unknown"))
    worst = next((answer for answer in RANK if answer in by_answer), "")
    return f"{worst} ({', '.join(dict.fromkeys(by_answer[worst]))})" if worst else ""
