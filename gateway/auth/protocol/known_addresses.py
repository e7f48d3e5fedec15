"""Addresses from which an account's owner has signed in: the attempts of strangers do not limit them."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress

import grpc
from google.protobuf.duration_pb2 import Duration

from runtime.background.tasks import Tasks, TooManyTasksError
from trivet.cache.v1.cache_pb2 import BatchSetRequest, Entry, GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

NAMESPACE = "known-addresses"
TTL_SECONDS = 30 * 24 * 60 * 60
READ_SECONDS = 0.1
WRITE_SECONDS = 1.0


class KnownAddresses:
    """The addresses that this process has seen, in bounded memory, and those that others wrote to the cache.

    The cache is read only if the account's limit is used up, and is written in the background. Without the cache the
    owner has a separate count only at the processes that have seen the address. No sign-in fails.
    """

    def __init__(self, cache: CacheServiceStub, *, capacity: int = 50_000) -> None:
        self._cache = cache
        self._capacity = capacity
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._writes = Tasks("known addresses", limit=200)

    def has_seen(self, account: str, address: str) -> bool:
        """Whether this process has seen the account's owner sign in from this address."""
        return _key(account, address) in self._seen

    async def has(self, account: str, address: str) -> bool:
        """Whether any process has seen the account's owner sign in from this address. Takes 100 ms at most."""
        key = _key(account, address)
        if key not in self._seen:
            try:
                request = GetRequest(namespace=NAMESPACE, key=key)
                if (await self._cache.Get(request, timeout=READ_SECONDS)).lookup.found:
                    self._see(key)
            except grpc.aio.AioRpcError:
                return False
        return key in self._seen

    def add(self, accounts: Iterable[str], address: str) -> None:
        """Record that the owner of these accounts has signed in from this address, here and in the cache."""
        keys = [_key(account, address) for account in accounts]
        for key in keys:
            self._see(key)
        with suppress(TooManyTasksError):  # counted by Tasks
            self._writes.start(self._write(keys))

    async def _write(self, keys: list[str]) -> None:
        ttl = Duration(seconds=TTL_SECONDS)
        entries = [Entry(key=key, value=b"1", ttl=ttl) for key in keys]
        with suppress(grpc.aio.AioRpcError):  # the next sign-in writes it again
            await self._cache.BatchSet(BatchSetRequest(namespace=NAMESPACE, entries=entries), timeout=WRITE_SECONDS)

    def _see(self, key: str) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)


def _key(account: str, address: str) -> str:
    """Return a hash of the pair. Neither can be read from it."""
    return hashlib.sha256(f"{address} {account}".encode()).hexdigest()
