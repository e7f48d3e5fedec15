"""What the cache holds of one RPC's answers, as the gateway reads it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.near.lease import METADATA_KEY, format_lease

Lease = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Kept:
    """A namespace of the cache, and the call by which its owner is asked about a user under a lease."""

    cache: CacheServiceStub
    namespace: str
    ask: Callable[[str, Lease], Awaitable[object]]

    async def look(self, user: str) -> Lookup:
        return (await self.cache.Get(GetRequest(namespace=self.namespace, key=user))).lookup

    async def is_cacheable(self, user: str) -> bool:
        return (await self.look(user)).found

    async def lease(self, user: str) -> Lease:
        lookup = await self.look(user)
        assert not lookup.found
        return ((METADATA_KEY, format_lease(lookup.position)),)

    async def fill(self, user: str) -> bytes:
        """Miss, have the answer filled, and return what the cache then holds."""
        await self.ask(user, await self.lease(user))
        await until(lambda: self.is_cacheable(user))
        return (await self.look(user)).value
