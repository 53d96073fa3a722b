"""The README's tree names every folder of the code, each with a caption."""

import re
import subprocess
from pathlib import Path

import pytest

ROOMS = ("wespe/", "pipeline/", "stages/")
LINE = re.compile(r"^(?P<indent>[\s│├└─]*)(?P<name>\S+)(?:\s+(?P<caption>.*))?$")


def tree(readme: str) -> dict[str, str]:
    """Parse the fenced block that lists wespe/: path → caption; folders end in a slash."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    [block] = [block for block in blocks if re.search(r"^\W*wespe/\s", block, re.MULTILINE)]
    captions, folders = {}, []
    for line in filter(None, map(LINE.match, block.splitlines())):
        depth = len(line["indent"])
        folders = [(indent, folder) for indent, folder in folders if indent < depth]
        path = (folders[-1][1] if folders else "") + line["name"]
        captions[path] = (line["caption"] or "").strip()
        if path.endswith("/"):
            folders.append((depth, path))
    return captions


def existing(repository: Path) -> set[str]:
    """What git has or would take, hidden files aside; folders end in a slash."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    files = {Path(name) for name in listed.stdout.splitlines() if (repository / name).exists()}
    files.discard(Path("dvc.lock"))  # there once `dvc repro` has run
    visible = {path for path in files if not any(part.startswith(".") for part in path.parts)}
    folders = {f"{folder}/" for path in visible for folder in path.parents if folder.name}
    return {str(path) for path in visible} | folders


@pytest.fixture(scope="module")
def captions(repository: Path) -> dict[str, str]:
    return tree((repository / "README.md").read_text())


def test_the_tree_names_only_what_exists(captions: dict[str, str], repository: Path) -> None:
    assert sorted(captions.keys() - existing(repository)) == []


def test_the_tree_names_every_folder_of_the_code(captions: dict[str, str], repository: Path) -> None:
    folders = {path for path in existing(repository) if path.endswith("/")}
    code = {path for path in folders if path.startswith(ROOMS) or path.count("/") == 1}
    code = {path for path in code if not path.startswith("pipeline/models/shipped/")}  # models, no code
    assert sorted(code - captions.keys()) == []


def test_every_line_has_a_caption(captions: dict[str, str]) -> None:
    assert [path for path, caption in captions.items() if not caption] == []


def test_trees_are_read_as_they_are_drawn() -> None:
    drawn = "```\nwespe/       torch\n  nets/      networks\n    a.py     a\n  b.py       b\nMakefile\n```\n"
    boxed = "```text\nwespe/  torch\n├── nets/  networks\n│   └── a.py  a\n└── b.py  b\nMakefile\n```\n"
    read = {
        "wespe/": "torch",
        "wespe/nets/": "networks",
        "wespe/nets/a.py": "a",
        "wespe/b.py": "b",
        "Makefile": "",
    }
    assert tree(drawn) == tree(boxed) == read
