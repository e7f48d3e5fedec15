"""A dump in the engine's own format (RDB), which redis-cli receives as a replica does."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from ops.backup.streams import Source
from ops.backup.tools import find, running


@contextmanager
def dump(url: str) -> Iterator[Source]:
    """Receive the dump. Raises CommandFailed, also for a provider that does not give replicas their data."""
    parts = urlsplit(url)
    command = [find(["valkey-cli", "redis-cli"], "redis-tools"), "--rdb", "-"]
    if parts.scheme == "unix":
        command += ["-s", parts.path]
    else:
        command += ["-h", parts.hostname or "", "-p", str(parts.port or 6379)]
    if parts.username:
        command += ["--user", unquote(parts.username)]
    if parts.scheme == "rediss":
        command += ["--tls", "--sni", parts.hostname or ""]
    environment = {"REDISCLI_AUTH": unquote(parts.password)} if parts.password else {}
    with running(command, environment) as tool:
        yield tool
