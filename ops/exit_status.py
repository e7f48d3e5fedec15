"""Exit statuses of the `trivet` command, and the one line that explains a failure."""

import errno
import sys
from collections.abc import Callable

from ops.errors import CommandFailed

FULL = (errno.ENOSPC, errno.EDQUOT)


def status_of(work: Callable[[], int | None]) -> int:
    """Do the work. Return the exit status: 0, 130 if interrupted, 2 for wrong settings, 1 for other failures."""
    try:
        return work() or 0
    except KeyboardInterrupt:
        return tell("interrupted", 130)
    except CommandFailed as error:
        return tell(str(error), error.status)
    except OSError as error:
        if error.errno in FULL:
            where = error.filename or "the folder of the data (TRIVET_DATA) or of the file that is written"
            return tell(f"the disk of {where} is full: make room on it, or name a folder on another disk", 1)
        if error.filename is None:
            return _unexpected(error)
        reason = (error.strerror or type(error).__name__).lower()
        return tell(f"{error.filename} cannot be used ({reason}): check its permissions and the free disk space", 1)
    except Exception as error:  # the operator gets one line, not a traceback
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    return tell(f"unexpected error, please report it: {type(error).__name__}: {error}", 1)


def tell(message: str, status: int) -> int:
    """Print why the command ends; return its exit status."""
    print(f"trivet: {message}", file=sys.stderr)
    return status
