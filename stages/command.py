"""What all commands share: text that any terminal can show, errors in one line, an orderly Ctrl-C."""

import argparse
import atexit
import codecs
import errno
import getpass
import os
import shutil
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType

from pipeline.errors import PipelineError
from pipeline.logs import quiet_engines

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no quota, no larger file allowed
INTERRUPTED = 128 + signal.SIGINT  # the exit code that shells expect
# For terminals and pipes whose encoding lacks these signs, such as cp1252 on Windows.
SPELLED = {
    "→": "->",
    "←": "<-",
    "↓": "v",
    "…": "...",
    "×": "x",
    "−": "-",
    "–": "-",
    "≥": ">=",
    "≤": "<=",
    "Δ": "d",
}
WAITING = b"\ninterrupted: finishing what is in progress; press Ctrl-C again to stop at once\n"


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; help and later output can be shown whatever the encoding of the terminal."""
    codecs.register_error("spelled", _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="spelled")
    return parser.parse_args()


def run(verb: str, work: Callable[[], None]) -> None:
    """Run `work`; a user's error ends as `verb: message`, a bug keeps its traceback."""
    quiet_engines()
    _provide_home()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not of a job in the background, which ignores it
        signal.signal(signal.SIGINT, _interrupt)
    try:
        work()
        sys.stdout.flush()
    except PipelineError as error:
        sys.exit(f"{verb}: {error}")
    except BrokenPipeError:  # the reader of our output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"{verb}: {_advice(error)}")
    except KeyboardInterrupt as interrupt:
        done = f" ({interrupt})" if str(interrupt) else ""
        print(f"{verb}: interrupted{done}; run the same command again to resume", file=sys.stderr)
        sys.exit(INTERRUPTED)
    signal.signal(signal.SIGINT, before)


def _provide_home() -> None:
    """Give a user without home or name, as in many containers, those that MLflow, Ray and torch need."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = home = mkdtemp(prefix="wespe-home-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"


def _advice(error: OSError) -> str:
    """What a user can do about an error of the system. Raises it again where that is nothing."""
    where = f" writing {error.filename}" if error.filename else ""
    if error.errno in DISK_IS_FULL:
        return f"the disk is full{where}; free some space and run the same command again"
    if error.errno == errno.EROFS:
        return f"the place is read-only{where}; name another place, or make it writable"
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename}: permission denied; change its permissions, or name another place"
    if error.errno == errno.ENAMETOOLONG and error.filename:
        return f"{error.filename}: the name is too long for this file system; shorten it"
    raise error


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Stop in good order at the first Ctrl-C, and at once at the second."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    os.write(2, WAITING)
    raise KeyboardInterrupt


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks: by a spelling, a file name's own bytes, or a question mark."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    if all("\udc80" <= letter <= "\udcff" for letter in text):
        return os.fsencode(text), error.end
    return "".join(SPELLED.get(letter, "?") for letter in text), error.end
