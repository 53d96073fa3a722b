"""A user's error is one line and exit code 1; a bug keeps its traceback."""

import errno
import subprocess
import sys
from collections.abc import Callable

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


def test_an_interruption_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^train: interrupted; run the same command again to go on$"):
        run("train", raising(KeyboardInterrupt()))


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
    with pytest.raises(SystemExit, match=r"^enhance: /out: permission denied; change its rights"):
        run("enhance", raising(PermissionError(errno.EACCES, "denied", "/out")))
