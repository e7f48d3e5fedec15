"""Runs checks at the same time. Each has a deadline, and one that fails is a finding itself."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ops.doctor.finding import Finding, error, warning

DEADLINE_SECONDS = 2.0
"""For one check. All run at the same time, so the whole examination takes hardly longer."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name. `work` returns what it finds, and can raise any error."""

    name: str
    work: Callable[[], Awaitable[list[Finding]]]


async def examine(checks: Sequence[Check], seconds: float = DEADLINE_SECONDS) -> list[Finding]:
    """Run all checks at the same time; return their findings in the order of the checks."""
    found = await asyncio.gather(*(outcome(check, seconds) for check in checks))
    return [finding for findings in found for finding in findings]


async def outcome(check: Check, seconds: float) -> list[Finding]:
    """Run one check. If it fails or takes too long, that is the finding."""
    try:
        async with asyncio.timeout(seconds):
            return await check.work()
    except TimeoutError:
        return [
            error(check.name, f"no answer within {seconds:.1f} s", "check the network, and the load of the machine")
        ]
    except Exception as failure:  # any error: the other checks go on
        return [failed(check.name, failure)]


def failed(check: str, failure: Exception) -> Finding:
    """Return the finding that a check could not do its work."""
    what = f"the check failed: {type(failure).__name__}: {failure}".splitlines()[0][:300]
    return warning(check, what, "check the rights of the user that Trivet connects as; else report it")


async def in_thread(work: Callable[[list[Finding]], None]) -> list[Finding]:
    """Run blocking work in a thread, which does not delay the end of the command. It adds what it finds to a list.
    Raises what the work raises.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    found: list[Finding] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            work(found)
        except Exception as failure:  # it is raised in the check
            errors.append(failure)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, daemon=True).start()
    await done.wait()
    if errors:
        raise errors[0]
    return found
