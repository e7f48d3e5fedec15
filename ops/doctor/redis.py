"""Redis or Valkey: reachability, role, version and clock."""

from datetime import UTC, datetime

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from ops.doctor import clocks, end_of_life
from ops.doctor.finding import Finding, error
from runtime.clock import Clock
from services.cache.redis.connections import ClusterError, Connections, ReplicaError
from services.cache.redis.sentinels import NoPrimaryError
from services.cache.redis.wire import close, read_response, send

CHECK = "redis"
REMEDIES: dict[type[Exception], str] = {
    ClusterError: "use a server without cluster mode",
    ReplicaError: "change REDIS_URL to the primary, or to the sentinels",
    NoPrimaryError: "check the sentinels and the service name in REDIS_URL",
}


async def examine(url: str, now: Clock) -> list[Finding]:
    """Check the server at a URL, or the primary that its sentinels name."""
    try:
        connection, _ = await Connections(url, limit=1).open()
    except (RedisError, OSError, TimeoutError) as failure:
        remedy = REMEDIES.get(type(failure), "start it, or correct REDIS_URL (address, user, password, TLS)")
        return [error(CHECK, f"Redis cannot be used: {type(failure).__name__}: {str(failure)[:200]}", remedy)]
    try:
        return [*await _clock(connection, now), *await _version(connection, now)]
    finally:
        await close(connection)


async def _clock(connection: AbstractConnection, now: Clock) -> list[Finding]:
    compared = clocks.Comparison(now)
    await send(connection, "TIME")
    seconds, micros = await read_response(connection)
    return compared.judge("Redis", datetime.fromtimestamp(int(seconds) + int(micros) / 1e6, UTC))


async def _version(connection: AbstractConnection, now: Clock) -> list[Finding]:
    engine, version = engine_and_version(await info(connection))
    return end_of_life.judge(engine, version, now().date())


async def info(connection: AbstractConnection) -> dict[str, str]:
    """Return the fields of INFO."""
    await send(connection, "INFO")
    answer = await read_response(connection)
    return dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)


def engine_and_version(fields: dict[str, str]) -> tuple[str, str]:
    """Return the engine and its version. Valkey also gives the version of Redis that it is compatible with."""
    if "valkey_version" in fields:
        return "Valkey", fields["valkey_version"]
    return "Redis", fields.get("redis_version", "")
