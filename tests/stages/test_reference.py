"""The generated reference has every command with every option."""

from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from stages.reference import main, pages, parser_of


@pytest.fixture(scope="module")
def commands() -> str:
    return pages()["commands.md"]


def test_every_command_is_there(commands: str, repository: Path) -> None:
    stages = {file.stem for file in (repository / "stages").glob("*.py")} - {"__init__", "command"}
    assert len(stages) > 15
    for name in stages:
        assert f"\n## python -m stages.{name}\n" in commands


@pytest.mark.parametrize("name", ["wespe enhance", "wespe models", "python -m stages.rate crawl"])
def test_commands_of_commands_are_there(commands: str, name: str) -> None:
    assert f"\n### {name}\n" in commands


def test_options_and_examples_are_there(commands: str) -> None:
    section = commands.split("\n## python -m stages.enhance\n")[1].split("\n## ")[0]
    assert "--keep-dates" in section
    assert "examples:" in section
    assert "\nNone\n" not in commands  # a parser without a description
    assert section.index("Enhance photos, few or many") < section.index("usage:") < section.index("examples:")


def test_catching_a_parser_runs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parser_of(main).prog == "python -m stages.reference"
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_error_is_documented(repository: Path) -> None:
    page = (repository / "docs/reference/errors.md").read_text()
    assert [
        kind.__name__ for kind in PipelineError.__subclasses__() if f"`{kind.__name__}`" not in page
    ] == []
