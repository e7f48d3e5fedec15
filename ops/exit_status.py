"""How a program of the `trivet` command ends: whatever went wrong in one clear line, with its exit status."""

import sys
from collections.abc import Callable

from ops.errors import Refused


def status_of(work: Callable[[], int | None]) -> int:
    """Do the work and return the exit status: 0, 130 when interrupted, 2 for wrong settings, 1 for what failed."""
    try:
        return work() or 0
    except KeyboardInterrupt:
        return tell("interrupted", 130)
    except Refused as error:
        return tell(str(error), error.status)
    except OSError as error:
        if error.filename is None:
            return _unexpected(error)
        reason = (error.strerror or type(error).__name__).lower()
        return tell(
            f"{error.filename} cannot be used ({reason}): it must be this user's to use, on a disk that has room", 1
        )
    except Exception as error:  # whatever it is, an operator gets a line, not a traceback
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    return tell(f"this should not happen: {type(error).__name__}: {error}", 1)


def tell(message: str, status: int) -> int:
    """Tell the operator why it ends; return the status to end with."""
    print(f"trivet: {message}", file=sys.stderr)
    return status
