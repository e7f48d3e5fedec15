"""Outlives a killed stack, and ends the process groups that it left.

Standard input brings `+GROUP` for each group begun and `-GROUP` for each ended; when it closes, what remains is ended.
The data folder's lock is inherited, so the next stack waits until nothing uses the folder any more.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 1.0


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(groups: set[int], signum: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, signum)
        except ProcessLookupError:
            continue


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(_is_alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
