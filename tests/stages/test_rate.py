"""`python -m stages.rate` as a user runs it."""

import subprocess
import sys

import pytest

from stages import rate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("crawl street", r"^rate crawl: FLICKR_API_KEY is not set: get one at https://"),
        ("crawl street --photos 0", r"^rate crawl: photos must be at least 1, not 0; see --help$"),
        (
            "train photos.csv --weights a.pkl",
            r"^rate train: weights must be random, or the path .*; see --help$",
        ),
        ("score nowhere nowhere", r"^rate score: nowhere contains no rater"),
    ],
)
def test_a_users_error_is_one_line(arguments, message, monkeypatch):
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["rate", *arguments.split()])
    with pytest.raises(SystemExit, match=message) as caught:
        rate.main()
    assert "\n" not in str(caught.value)


def test_help_shows_the_whole_way_at_once(repository):
    """Protects: no torch is loaded for it, which would take seconds."""
    script = "import sys, stages.rate as rate; sys.argv[1:] = ['--help']\ntry: rate.main()\n"
    script += "finally: assert 'torch' not in sys.modules"
    ended = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert all(f"stages.rate {verb} " in ended.stdout for verb in ("crawl", "train", "score"))
