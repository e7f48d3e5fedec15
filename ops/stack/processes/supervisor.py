"""Runs the processes of a stack together, and stops them in order."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence

from ops.stack.console import StackConsole
from ops.stack.processes.child import Child
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.processes.spawn import Guard

STOP_SECONDS = (1.6, 1.6, 1.2)
"""The seconds that the gateway, the services and the stores have to end, in this order. Together less than 5."""

Preparation = Callable[[], Coroutine[None, None, None]]
Tiers = Sequence[Sequence[ProcessSpec]]


class Supervisor:
    """Owns the processes. `tiers` are in the order of shutdown: callers come before the services they call."""

    def __init__(self, tiers: Tiers, guard: Guard, console: StackConsole) -> None:
        self._tiers = [[Child(spec, guard, console) for spec in tier] for tier in tiers]
        self._console = console
        self._preparing: set[asyncio.Task[None]] = set()
        self._asked_to_stop = asyncio.Event()

    @property
    def children(self) -> dict[str, Child]:
        return {child.spec.name: child for tier in self._tiers for child in tier}

    async def run(self, when_ready: Callable[[], None], first: dict[str, Preparation]) -> None:
        """Run all processes until SIGTERM or SIGINT. Call `when_ready` once all are ready.

        `first` holds the preparation that a process waits for, by its name; the others do not wait.
        Raises CommandFailed if a process cannot work at all.
        """
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.stop)
        working = [asyncio.create_task(self._keep(child, first.get(name))) for name, child in self.children.items()]
        others = [asyncio.create_task(self._announce(when_ready)), asyncio.create_task(self._asked_to_stop.wait())]
        try:
            await asyncio.wait([*working, others[-1]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in others:
                task.cancel()
            await self._stop()
            outcomes = await asyncio.gather(*working, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    def stop(self) -> None:
        """End the processes in order. A second call kills all of them."""
        if self._asked_to_stop.is_set():
            for child in self.children.values():
                child.kill()
            return
        self._asked_to_stop.set()

    async def _keep(self, child: Child, first: Preparation | None) -> None:
        if first is not None:
            preparing = asyncio.create_task(first())
            self._preparing.add(preparing)
            await preparing
        await child.run()

    async def _announce(self, when_ready: Callable[[], None]) -> None:
        for child in self.children.values():
            await child.ready.wait()
        when_ready()

    async def _stop(self) -> None:
        self._console.say("stopping")
        for task in self._preparing:
            task.cancel()
        for tier, seconds in zip(self._tiers, STOP_SECONDS, strict=True):
            await asyncio.gather(*(child.stop(seconds) for child in tier))
