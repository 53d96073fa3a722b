"""A user's error is one line and exit code 1; a bug keeps its traceback."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import PhotoError
from stages.command import run


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_users_error_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^fetch: a\.jpg: empty file$"):
        run("fetch", raising(PhotoError("a.jpg: empty file")))


def test_a_full_disk_is_one_line_that_names_the_file() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "data/shard.parquet")
    with pytest.raises(
        SystemExit, match=r"^patchify: the disk is full writing data/shard\.parquet; free .*again$"
    ):
        run("patchify", raising(full))


@pytest.mark.parametrize(("done", "shown"), [("", ""), ("3 photos are enhanced", " (3 photos are enhanced)")])
def test_an_interruption_is_one_line_that_says_what_is_done(done, shown, capsys) -> None:
    with pytest.raises(SystemExit, match="130"):
        run("train", raising(KeyboardInterrupt(*filter(None, [done]))))
    assert capsys.readouterr().err == f"train: interrupted{shown}; run the same command again to resume\n"


def test_a_second_ctrl_c_stops_at_once() -> None:
    """Protects: users who do not want to wait for work in progress."""
    script = (
        "import time\nfrom stages.command import run\n"
        "def work():\n    try:\n        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n        print('waiting', flush=True); time.sleep(60)\n"
        "run('train', work)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    for line in (b"ready\n", b"waiting\n"):
        assert process.stdout.readline() == line
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"press Ctrl-C again to stop immediately" in errors
    assert b"Traceback" not in errors


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_encoding_can_show_help_and_messages(encoding: str) -> None:
    """Protects: pipes and old consoles of Windows, where even --help was a traceback."""
    script = (
        "import argparse\nfrom stages.command import parse, run\n"
        "parse(argparse.ArgumentParser())\n"
        "run('x', lambda: print('a.jpg → b.jpg, 2 × 3, 0…1, \\udce9.jpg'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert ended.returncode == 0, ended.stderr
    wanted = {
        "cp1252": "a.jpg -> b.jpg, 2 × 3, 0…1, ".encode("cp1252"),
        "ascii": b"a.jpg -> b.jpg, 2 x 3, 0...1, ",
        "utf-8": "a.jpg → b.jpg, 2 × 3, 0…1, ".encode(),
    }
    assert ended.stdout == wanted[encoding] + b"\xe9.jpg\n"


def test_every_command_parses_so_that_any_encoding_can_show_its_help(repository: Path) -> None:
    for file in (repository / "stages").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "parse_args()" not in text or file.name == "command.py", file


@pytest.mark.parametrize("bug", [KeyError("x"), AssertionError(), PermissionError(errno.EACCES, "denied")])
def test_anything_else_passes_through(bug: Exception) -> None:
    with pytest.raises(type(bug)):
        run("train", raising(bug))


def test_in_a_shell_it_is_exit_code_1_and_one_line_on_stderr() -> None:
    script = (
        "from stages.command import run; from pipeline.errors import SourceError\n"
        "def work(): raise SourceError('camera x: no photos in photos/; put some there')\n"
        "run('fetch', work)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "fetch: camera x: no photos in photos/; put some there\n"
    assert ended.stdout == ""


def test_a_place_that_may_not_be_written_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^enhance: /out: permission denied; change its permissions"):
        run("enhance", raising(PermissionError(errno.EACCES, "denied", "/out")))


def test_a_user_without_home_and_name_gets_both_for_the_time_of_a_command() -> None:
    """Protects: containers that run as an unknown user, where importing MLflow fails."""
    script = (
        "import getpass, os, pathlib, pwd\n"
        "from stages.command import run\n"
        "os.getuid = lambda: 4_000_000\n"
        "run('x', lambda: print(pathlib.Path.home().is_dir(), getpass.getuser(), pathlib.Path.home()))"
    )
    names = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    there, user, home = ended.stdout.split()
    assert (there, user) == ("True", "uid-4000000")
    assert not Path(home).exists()
