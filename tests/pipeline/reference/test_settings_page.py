"""The reference of params.yaml shows every key, and reads docstrings and comments as they are written."""

from dataclasses import dataclass, field, fields
from typing import Literal

import pytest

from pipeline.params import Params
from pipeline.reference.blocks import describe, find_blocks
from pipeline.reference.settings_page import settings_page


@dataclass(frozen=True, kw_only=True)
class Lens:
    """What light meets first.

    sharp, wide: of the glass; a second sentence
        on a line of its own. kind: whose it is.

    A paragraph about all of it.
    """

    kind: Literal["old", "new"] = "old"
    sharp: bool
    wide: float | None = None  # in mm; the docstring wins
    coated: bool = False  # against flare | ghosts


@dataclass(frozen=True, kw_only=True)
class Kit:
    lens: Lens
    spares: dict[str, Lens] = field(default_factory=dict)


def test_prose_and_meanings_are_told_apart() -> None:
    prose, meanings = describe(Lens)
    assert prose == "What light meets first.\n\nA paragraph about all of it."
    both = "of the glass; a second sentence on a line of its own."
    assert meanings == {
        "sharp": both,
        "wide": both,
        "kind": "whose it is.",
        "coated": "against flare | ghosts",
    }


def test_a_block_that_is_used_twice_is_one_section_with_both_places() -> None:
    page = settings_page(Kit)
    assert page.count("\n## ") == 2
    assert "## `lens` { #lens }" in page
    assert "Also at `spares.NAME`." in page


def test_rows_have_type_default_and_meaning() -> None:
    page = settings_page(Kit)
    assert '| `kind` | `old` or `new` | `"old"` | whose it is. |' in page
    assert "| `sharp` | true or false | required | of the glass; " in page
    assert "| `wide` | number, or null | `null` | of the glass; " in page
    assert "| `coated` | true or false | `false` | against flare \\| ghosts |" in page
    assert "| `spares` | by name: [block](#lens) | `{}` |  |" in page


@pytest.fixture(scope="module")
def page() -> str:
    return settings_page(Params)


def test_every_key_of_params_yaml_is_there(page: str) -> None:
    sections = page.split("\n## ")[1:]
    blocks = find_blocks(Params)
    assert len(blocks) == len(sections) > 30
    for kind, section in zip(blocks, sections, strict=True):
        missing = [f.name for f in fields(kind) if f"\n| `{f.name}` | " not in section]
        assert not missing, (kind, missing)


def test_a_default_that_a_block_changes_is_shown(page: str) -> None:
    """Protects: readers of lut_residual, whose critics do not play the paper's game."""
    [section] = [s for s in page.split("\n## ") if s.startswith("`presets.NAME.method` of lut_residual")]
    assert '`{"loss": "hinge", "reduction": "mean"}`' in section


def test_most_keys_have_a_meaning(page: str) -> None:
    """A docstring in another form than `name: meaning` would empty the column."""
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert sum(not row.endswith("|  |") for row in rows) > len(rows) / 2
