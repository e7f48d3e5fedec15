"""Single flight: at most one call per key at a time. Requests that come during a call share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls by key. A request never gets the result of a call that began before it, which could be outdated."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._under_way) + len(self._next)

    def __contains__(self, key: str) -> bool:
        return key in self._under_way

    async def join(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or of the `work` of another request that waits for the same key.

        Raises what the work raises. The work runs to its end in a context of its own, even if all requests that wait
        for it are cancelled.
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
        # `before` is an argument, because when this runs, `_under_way` can already hold this flight itself.
        await asyncio.wait((before,))
        return await self._fly(key, work)


def _seen(task: "asyncio.Task[T]") -> None:
    """Retrieve the exception of a call whose requests have all left, so that asyncio does not warn."""
    if not task.cancelled():
        task.exception()
