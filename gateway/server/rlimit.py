"""The limit of open files, which bounds the connections of a process."""

import logging
import resource

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 20_000
RESERVED = 256
"""Open files for channels, logs, libraries and listeners."""
MIN_CONNECTIONS = 64


def most_connections() -> int:
    """Raise the limit of open files as needed and allowed. Returns how many connections it leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < MIN_CONNECTIONS + RESERVED:
        logger.warning(
            "the limit of open files is %d: some requests will wait for a connection; raise it (ulimit -n)", allowed
        )
    return max(MIN_CONNECTIONS, allowed - RESERVED)
