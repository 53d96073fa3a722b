"""Shared by all commands: output for any terminal encoding, one-line errors, and handling of Ctrl-C."""

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

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, quota exceeded, file too large
INTERRUPTED = 128 + signal.SIGINT  # the exit code that shells expect
# For terminals and pipes whose encoding lacks these characters, such as cp1252 on Windows.
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
WAITING = b"\ninterrupted: finishing work in progress; press Ctrl-C again to stop immediately\n"


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; make all output printable in the terminal's encoding."""
    codecs.register_error("spelled", _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="spelled")
    return parser.parse_args()


def run(verb: str, work: Callable[[], None]) -> None:
    """Run `work`; a PipelineError is printed as `verb: message`, bugs keep their traceback."""
    quiet_engines()
    _provide_home()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # background jobs ignore Ctrl-C
        signal.signal(signal.SIGINT, _interrupt)
    try:
        work()
        sys.stdout.flush()
    except PipelineError as error:
        sys.exit(f"{verb}: {error}")
    except BrokenPipeError:  # the reader of the output has closed the pipe
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
    """Set HOME and USER if missing, as in many containers, since MLflow, Ray and torch need them."""
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
    """Explain a system error and its remedy. Raises it again if it is unknown."""
    where = f" writing {error.filename}" if error.filename else ""
    if error.errno in DISK_IS_FULL:
        return f"the disk is full{where}; free some space and run the same command again"
    if error.errno == errno.EROFS:
        return f"the file system is read-only{where}; choose another folder, or make it writable"
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename}: permission denied; change its permissions, or choose another folder"
    if error.errno == errno.ENAMETOOLONG and error.filename:
        return f"{error.filename}: the name is too long for this file system; shorten it"
    raise error


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Stop gracefully at the first Ctrl-C, and immediately at the second."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    os.write(2, WAITING)
    raise KeyboardInterrupt


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace unsupported characters: by similar ones, by the raw bytes of a file name, or by `?`."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    if all("\udc80" <= letter <= "\udcff" for letter in text):
        return os.fsencode(text), error.end
    return "".join(SPELLED.get(letter, "?") for letter in text), error.end
