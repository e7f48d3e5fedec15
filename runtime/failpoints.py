"""Named places where a test can crash, pause or fail this process, or turn a protection off. In development only.

TRIVET_FAILPOINTS="NAME=ACTION,..." with the actions `crash` (as kill -9), `error` (UNAVAILABLE) and `pause:PATH`
(make PATH.reached, then wait until PATH exists). One that takes a protection away needs no action.
"""

import asyncio
import os
import signal
from pathlib import Path

from runtime.errors import Unavailable

VARIABLE = "TRIVET_FAILPOINTS"
POLL_SECONDS = 0.005


def parse(text: str) -> dict[str, str]:
    """Return the action of each failpoint that TRIVET_FAILPOINTS names."""
    pairs = (item.strip().partition("=") for item in text.split(",") if item.strip())
    return {name: action for name, _, action in pairs}


def _from_environment() -> dict[str, str]:
    is_development = os.environ.get("TRIVET_ENV", "development") == "development"
    return parse(os.environ.get(VARIABLE, "")) if is_development else {}


armed: dict[str, str] = _from_environment()


def is_on(name: str) -> bool:
    """Whether the protection of this failpoint is turned off."""
    return name in armed


async def reach(name: str) -> None:
    """Do the action of this failpoint, if it is armed."""
    if not armed or (action := armed.get(name)) is None:
        return
    if action == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "error":
        raise Unavailable("FAILPOINT", f"the failpoint {name} was reached")
    if action.startswith("pause:"):
        await _pause(Path(action.removeprefix("pause:")))


async def _pause(gate: Path) -> None:
    gate.with_name(gate.name + ".reached").touch()
    while not gate.exists():  # noqa: ASYNC110, ASYNC240  # a test opens the gate: there is no event to await
        await asyncio.sleep(POLL_SECONDS)
