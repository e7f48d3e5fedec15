"""From which addresses an account has been opened: there its owner is not held up by what strangers try."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress

import grpc
from google.protobuf.duration_pb2 import Duration

from runtime.tasks import Tasks, TooManyTasksError
from trivet.cache.v1.cache_pb2 import BatchSetRequest, Entry, GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

NAMESPACE = "known-addresses"
KEPT_SECONDS = 30 * 24 * 60 * 60
ANSWER_SECONDS = 0.1
TELL_SECONDS = 1.0


class KnownAddresses:
    """What this process has seen, in bounded memory, and what the others have told the cache.

    An address is only asked for when its account is held up, and remembering it is not waited for: a cache that is
    away costs the owner the separate count at the processes that have not seen them, never anybody's sign-in.
    """

    def __init__(self, cache: CacheServiceStub, *, capacity: int = 50_000) -> None:
        self._cache = cache
        self._capacity = capacity
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._telling = Tasks("known addresses", limit=200)

    def has_seen(self, account: str, address: str) -> bool:
        """Whether the account was opened from this address, as far as this process knows."""
        return _key(account, address) in self._seen

    async def has(self, account: str, address: str) -> bool:
        """Whether the account was opened from this address, as far as anybody knows within 100 ms."""
        key = _key(account, address)
        if key not in self._seen:
            try:
                request = GetRequest(namespace=NAMESPACE, key=key)
                if (await self._cache.Get(request, timeout=ANSWER_SECONDS)).lookup.found:
                    self._see(key)
            except grpc.aio.AioRpcError:
                return False
        return key in self._seen

    def add(self, accounts: Iterable[str], address: str) -> None:
        """Remember that these accounts' owner has signed in from this address, and let the others know."""
        keys = [_key(account, address) for account in accounts]
        for key in keys:
            self._see(key)
        with suppress(TooManyTasksError):  # counted there
            self._telling.start(self._tell(keys))

    async def _tell(self, keys: list[str]) -> None:
        ttl = Duration(seconds=KEPT_SECONDS)
        entries = [Entry(key=key, value=b"1", ttl=ttl) for key in keys]
        with suppress(grpc.aio.AioRpcError):  # the next sign-in tells again
            await self._cache.BatchSet(BatchSetRequest(namespace=NAMESPACE, entries=entries), timeout=TELL_SECONDS)

    def _see(self, key: str) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)


def _key(account: str, address: str) -> str:
    """Return a short name for the pair, from which neither can be read."""
    return hashlib.sha256(f"{address} {account}".encode()).hexdigest()
