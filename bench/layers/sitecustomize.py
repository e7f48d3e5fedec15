"""Switches off the protections against a stampede that TRIVET_BENCH_WITHOUT names, in this process.

`bench.stampede` puts this folder first in PYTHONPATH, so Python imports this module at the start of a process.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

VARIABLE = "TRIVET_BENCH_WITHOUT"


def _replace(owner: type, name: str, by: Callable[..., Any]) -> None:
    """Replace a method. Raises AttributeError if it does not exist, for example after a rename."""
    getattr(owner, name)
    setattr(owner, name, by)


def without_single_flight() -> None:
    """Every reader of a key that is not cached calls identity."""
    from trivet.client.near.single_flight import SingleFlight

    async def alone(_self: object, _key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        return await work()

    _replace(SingleFlight, "join", alone)


def without_batching() -> None:
    """Every lookup is an RPC of its own, not a message of the stream."""
    from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
    from trivet.client.near.lookup_batcher import LOOKUP_SECONDS, LookupBatcher

    async def alone(self: LookupBatcher, key: str) -> Lookup:
        asked = GetRequest(namespace=self._namespace, key=key, claim=True)
        return (await self._cache.Get(asked, timeout=LOOKUP_SECONDS)).lookup

    _replace(LookupBatcher, "get", alone)


def without_checks_on_the_loop() -> None:
    """A session check that the near cache cannot answer goes through all middlewares."""
    from gateway.sessions.fast_path import FastPath

    async def long_way(self: FastPath, *request: Any) -> None:
        await self._app(*request)

    _replace(FastPath, "__call__", long_way)


def without_claims() -> None:
    """Every gateway that misses an entry fills it."""
    from services.cache.entries.entries import Entries

    get = Entries.get

    async def unclaimed(self: Entries, namespace: str, keys: Any, **_claim: bool) -> Any:
        return await get(self, namespace, keys)

    _replace(Entries, "get", unclaimed)


def without_coalescing() -> None:
    """Every lookup of a single key runs a script of its own in Redis."""
    from services.cache.redis.read_coalescer import ReadCoalescer

    async def alone(self: ReadCoalescer[Any], key: str) -> Any:
        answers = await self._read([key])
        return answers[0] if answers else None

    _replace(ReadCoalescer, "get", alone)


LAYERS: dict[str, Callable[[], None]] = {
    "single flight": without_single_flight,
    "lookup batching": without_batching,
    "checks on the loop": without_checks_on_the_loop,
    "claims": without_claims,
    "read coalescing": without_coalescing,
}

for _layer in filter(None, os.environ.get(VARIABLE, "").split(",")):
    try:
        LAYERS[_layer]()
    except Exception as error:  # Python would print it and continue with the protection
        raise SystemExit(f"TRIVET_BENCH_WITHOUT: {_layer} cannot be switched off: {error!r}") from error
