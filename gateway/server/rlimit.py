"""How many connections this process may hold: each is an open file."""

import logging
import resource

logger = logging.getLogger(__name__)

MOST = 20_000
RESERVED = 256
"""Left for channels, logs, libraries and whoever listens."""
FEWEST = 64


def most_connections() -> int:
    """Raise the limit of open files as far as the system lets us and we need; return how many may be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + RESERVED
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < FEWEST + RESERVED:
        logger.warning("only %d files may be open: some requests will wait for a connection (ulimit -n)", allowed)
    return max(FEWEST, allowed - RESERVED)
