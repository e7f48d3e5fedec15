"""A logical dump: each key by its type, as a document of BSON. It crosses versions, and from Valkey to Redis."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bson

from ops.backup.cache_store.server import RedisServer
from ops.errors import CommandFailed

SCAN = 500
PIPELINE = 500


def _pairs(fields: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in fields.items() for part in pair]


READ: dict[str, Callable[[Any, bytes], Any]] = {
    "string": lambda client, key: client.get(key),
    "hash": lambda client, key: _pairs(client.hgetall(key)),
    "stream": lambda client, key: [[entry, _pairs(fields)] for entry, fields in client.xrange(key)],
}
"""How a value of each type that Trivet writes is read. Its streams have no consumer groups."""
WRITE: dict[str, Callable[[Any, bytes, Any], object]] = {
    "string": lambda pipe, key, value: pipe.set(key, value),
    "hash": lambda pipe, key, value: pipe.execute_command("HSET", key, *value),
    "stream": lambda pipe, key, value: [pipe.execute_command("XADD", key, entry, *fields) for entry, fields in value],
}


def batches(server: RedisServer, prefix: str) -> Iterator[bytes]:
    """Yield the keys of the prefix as BSON. One that is written meanwhile has its old value or its new one."""
    for key in _keys(server, prefix):
        if document := _read(server.client, key):
            yield document


def is_empty(server: RedisServer, prefix: str) -> bool:
    """Whether there is no key of the prefix."""
    return next(_keys(server, prefix), None) is None


def clear(server: RedisServer, prefix: str) -> None:
    """Delete all keys of the prefix."""
    for key in _keys(server, prefix):
        server.client.unlink(key)


def write(server: RedisServer, documents: Sequence[bytes]) -> None:
    """Write keys. What has expired since the dump expires at once."""
    for first in range(0, len(documents), PIPELINE):
        with server.client.pipeline(transaction=False) as pipe:
            for document in documents[first : first + PIPELINE]:
                found = bson.decode(document)
                key = found["key"]
                pipe.delete(key)  # a scan can meet a key twice
                WRITE[found["type"]](pipe, key, found["value"])
                if found["expiresAtMs"] is not None:
                    pipe.pexpireat(key, int(found["expiresAtMs"]))
            pipe.execute()


def _keys(server: RedisServer, prefix: str) -> Iterator[bytes]:
    literal = "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in prefix)
    yield from server.client.scan_iter(match=f"{literal}*", count=SCAN)


def _read(client: Any, key: bytes) -> bytes:
    """Return a key as BSON; nothing if it has expired meanwhile. Raises CommandFailed for a type that is not ours."""
    kind = client.type(key).decode()
    if kind == "none":
        return b""
    if kind not in READ:
        raise CommandFailed(
            f"REDIS_URL: {key!r} is of the type {kind}, which Trivet does not write: check TRIVET_CACHE_PREFIX"
        )
    value, left = READ[kind](client, key), client.pttl(key)
    if not value or left == -2:
        return b""
    seconds, microseconds = client.time()
    expires = seconds * 1000 + microseconds // 1000 + left if left >= 0 else None
    return bson.encode({"key": key, "type": kind, "value": value, "expiresAtMs": expires})
