"""The user of the cache service in Redis or Valkey: the keys of its prefix, and the commands that it sends."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from ops.errors import CommandFailed, WrongSettings
from ops.grants.grants import Choices, Grants, User
from ops.grants.verifiers import sha256
from services.cache.redis.sentinels import Sentinels

ROLE = "cache"
SENT = ("eval", "evalsha", "info", "select", "xread")
"""Commands that the service sends itself. Redis admits AUTH always."""
IN_SCRIPTS = (
    *("del", "exists", "get", "hdel", "hget", "hgetall", "hset", "incrby", "mget", "pexpire", "pttl"),
    *("set", "strlen", "time", "type", "unlink", "xadd", "xrange", "xrevrange"),
)
"""Commands that its scripts send."""
SECONDS = 5.0
NO_ACL_FILE = (
    "Redis has no ACL file (`aclfile`), so the user is gone when it restarts: put the line that `trivet db grants "
    "--store redis` prints into redis.conf, without `ACL SETUSER`"
)
OF_SENTINEL = (
    "REDIS_URL is of Sentinel, and Redis does not replicate users: run the statements on every server, for example "
    "with --apply and REDIS_URL=redis://SERVER"
)


def redis_grants(url: str, prefix: str, choices: Choices, *, applies: bool) -> Grants:
    """Return the command for a server. Raises CommandFailed and WrongSettings.

    Without `applies` the server is not asked, and the user counts as new.
    """
    sentinels = Sentinels.of(url)
    if applies and sentinels is not None:
        raise WrongSettings(OF_SENTINEL)
    existing = _existing(url, choices.name_of(ROLE)) if applies else []
    user = choices.user(ROLE, existing)
    words = setuser(user, prefix)
    shown = " ".join(words)
    notes = (OF_SENTINEL,) if sentinels is not None else ()
    return Grants("redis", (shown,), lambda: _apply(url, words), {ROLE: f"REDIS_URL={_address(url, user)}"}, notes)


def setuser(user: User, prefix: str) -> list[str]:
    """Return the command that makes the user, or brings its rights to these."""
    # The password of a user that keeps it is not reset, and so its connections stay open.
    login = ["reset", "on", f"#{sha256(user.password)}"] if user.password else ["on", "resetkeys", "resetchannels"]
    commands = [f"+{name}" for name in sorted((*SENT, *IN_SCRIPTS))]
    return ["ACL", "SETUSER", user.name, *login, f"~{escaped(prefix)}*", "-@all", *commands]


def escaped(prefix: str) -> str:
    """Return a pattern for a text: Redis matches keys as a shell matches files."""
    return "".join(f"\\{sign}" if sign in "*?[]\\^" else sign for sign in prefix)


def _existing(url: str, name: str) -> list[str]:
    return [name] if _run(url, ["ACL", "GETUSER", name]) else []


def _apply(url: str, words: Sequence[str]) -> tuple[str, ...]:
    """Make the user, and have Redis keep it. Return a note if it cannot."""
    _run(url, words)
    try:
        _run(url, ["ACL", "SAVE"])
    except CommandFailed as error:
        if "ACL file" not in str(error):
            raise
        return (NO_ACL_FILE,)
    return ()


def _run(url: str, words: Sequence[str]) -> Any:
    try:
        with Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as server:
            return server.execute_command(*words)
    except (AuthenticationError, NoPermissionError) as error:
        raise WrongSettings(f"REDIS_URL: Redis refuses it ({error}): give the address of an administrator") from None
    except RedisError as error:
        raise CommandFailed(f"REDIS_URL: Redis fails or does not answer ({error}): check that it is running") from None
    except ValueError:  # its text can hold the password
        raise WrongSettings("REDIS_URL must be like redis://USER:PASSWORD@HOST:6379/0") from None


def _address(url: str, user: User) -> str:
    parts = urlsplit(url)
    password = quote(user.password, safe="") if user.is_made else user.shown
    at = f"{user.name}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=at))
