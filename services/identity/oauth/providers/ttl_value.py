"""A value with a TTL: concurrent callers share one fetch, and fetches are rate limited."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from runtime.background.tasks import Tasks, TooManyTasksError
from services.identity.oauth.errors import ExchangeError
from trivet.client.deadline import time_left

T = TypeVar("T")


class TtlValue(Generic[T]):
    """The value of `load`, cached for `seconds`. It is loaded at most every `again_seconds`, also after a failure.

    If a load fails, the old value is used for `stale_seconds` more.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[T]],
        tasks: Tasks,
        *,
        seconds: float = 3_600.0,
        again_seconds: float = 10.0,
        stale_seconds: float = 86_400.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._tasks = tasks
        self._seconds = seconds
        self._again = again_seconds
        self._stale = stale_seconds
        self._monotonic = monotonic
        self._value: tuple[T, float] | None = None
        self._tried = -again_seconds
        self._failure: ExchangeError | None = None
        self._loading: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return the value. Raises ExchangeError if there is none and it cannot be loaded before the deadline."""
        late: ExchangeError | None = None
        if self._value is None or self._monotonic() - self._value[1] >= self._seconds:
            try:
                await self.reload()
            except ExchangeError as error:
                late = error
        if self._value is not None and self._monotonic() - self._value[1] < self._seconds + self._stale:
            return self._value[0]
        raise late or self._failure or ExchangeError("the last load failed; the next one is not due yet")

    async def reload(self) -> bool:
        """Load the value again, unless the last load was less than `again_seconds` ago; return whether a load ended.

        Raises ExchangeError if the caller's deadline passes first. The load continues for the other callers.
        """
        if self._loading is None or self._loading.done():
            if self._monotonic() - self._tried < self._again:
                return False
            self._tried = self._monotonic()
            try:
                # In a background task: the first caller can be cancelled while others wait.
                self._loading = self._tasks.start(self._load_once())
            except TooManyTasksError:
                return False
        try:
            async with asyncio.timeout(time_left()):
                await asyncio.shield(self._loading)
        except TimeoutError:
            raise ExchangeError("a provider does not answer in time") from None
        return True

    async def _load_once(self) -> None:
        try:
            self._value = (await self._load(), self._monotonic())
            self._failure = None
        except ExchangeError as error:
            self._failure = error
