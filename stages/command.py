"""The one place that turns errors into one line on stderr and a non-zero exit."""

import errno
import os
import sys
from collections.abc import Callable

from pipeline.errors import PipelineError
from pipeline.logs import quiet_engines

DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no quota, no larger file allowed


def run(verb: str, work: Callable[[], None]) -> None:
    """Run `work`; a user's error ends as `verb: message`, a bug keeps its traceback."""
    quiet_engines()
    try:
        work()
        sys.stdout.flush()
    except PipelineError as error:
        sys.exit(f"{verb}: {error}")
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if isinstance(error, PermissionError) and error.filename:
            sys.exit(f"{verb}: {error.filename}: permission denied; change its rights, or name another place")
        if error.errno not in DISK_IS_FULL:
            raise
        where = f" writing {error.filename}" if error.filename else ""
        sys.exit(f"{verb}: the disk is full{where}; free some space and run the same command again")
    except KeyboardInterrupt:
        sys.exit(f"{verb}: interrupted; run the same command again to go on")
