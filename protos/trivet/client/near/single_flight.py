"""One call at a time for each key: those that come while one is under way share the next."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls by key. Nobody is given the outcome of a call that began before they came: what they ask may be newer."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._under_way) + len(self._next)

    def __contains__(self, key: str) -> bool:
        return key in self._under_way

    async def join(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work`, or that of another who came for the same key, returns; raise what it raises.

        It runs to its end, in a context of its own, whether or not those who wait for it are cancelled.
        """
        before = self._under_way.get(key)
        if before is None:
            flight = self._under_way[key] = self._begin(self._fly(key, work))
        else:
            flight = self._next.get(key) or self._next.setdefault(key, self._begin(self._follow(before, key, work)))
        return await asyncio.shield(flight)

    def _begin(self, flight: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(flight, context=Context())
        task.add_done_callback(_seen)
        return task

    async def _fly(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            if (following := self._next.pop(key, None)) is None:
                del self._under_way[key]
            else:
                self._under_way[key] = following

    async def _follow(self, before: "asyncio.Task[T]", key: str, work: Callable[[], Awaitable[T]]) -> T:
        # Which one that is was settled when this was made: by the time it runs it may be the one under way itself.
        await asyncio.wait((before,))
        return await self._fly(key, work)


def _seen(task: "asyncio.Task[T]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
