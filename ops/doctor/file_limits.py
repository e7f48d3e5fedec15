"""Limits of open files: of this user's processes, and of those that run."""

import resource

from gateway.server.rlimit import MIN_CONNECTIONS, RESERVED
from ops.doctor.finding import Finding, error, warning

CHECK = "file limits"
FEW = 4_096
REMEDY = "raise the hard limit of open files (`ulimit -Hn`, LimitNOFILE of systemd), for example to 65,536"
NEARLY_ALL = 0.8


async def of_this_user() -> list[Finding]:
    """Check the hard limit that processes started here inherit. The gateway raises its soft limit to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= FEW:
        return []
    problem = f"a process can open {hard:,} files, so a gateway worker serves {max(hard - RESERVED, 0):,} connections"
    if hard < MIN_CONNECTIONS + RESERVED:
        return [error(CHECK, problem, REMEDY)]
    return [warning(CHECK, problem, REMEDY)]


def judge_process(name: str, is_open: float, limit: float) -> list[Finding]:
    """Return the finding about a process that has most of the files open that it can open."""
    if limit <= 0 or is_open < NEARLY_ALL * limit:
        return []
    return [error(CHECK, f"{name} has {is_open:,.0f} of {limit:,.0f} files open", f"restart it; {REMEDY}")]
