"""The time zone of this machine."""

import time

from ops.doctor.finding import Finding, note

CHECK = "time zones"


async def zone() -> list[Finding]:
    """Check that this machine's processes write times of their logs in UTC."""
    if not any((time.timezone, time.daylight and time.altzone)):
        return []
    problem = (
        f"this machine's time zone is {'/'.join(dict.fromkeys(time.tzname))}: logs of other programs differ from ours"
    )
    return [note(CHECK, problem, "set the machine to UTC, or TZ=UTC for its services")]
