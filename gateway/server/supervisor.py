"""Keeps several workers on one port, each a fresh process; it answers nothing itself."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping

from gateway.server.sockets import GRACE_SECONDS, bound
from gateway.settings import GatewaySettings
from runtime.restart_backoff import CALM_SECONDS, delay_after, how_it_ended
from runtime.telemetry.logs import logging_to_stderr

logger = logging.getLogger(__name__)

TURNS_SECONDS = 1.0
"""Within which all workers have been told to stop, one after the other."""
END_SECONDS = GRACE_SECONDS + 1.5
"""What a worker that was told may take: its requests' time, and its log's."""


class Worker:
    """One of the workers, by its place among them: started, and again whenever it dies."""

    def __init__(
        self, place: int, settings: GatewaySettings, port: int, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._name = f"gateway worker {place + 1}"
        self._environment = {**environ, "TRIVET_GATEWAY_WORKERS": "1", "TRIVET_HTTP_PORT": str(port)}
        if settings.metrics_port:
            self._environment["TRIVET_METRICS_PORT"] = str(settings.metrics_port + place)
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self.gone = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until it is stopped; how often it was started again is told on its own /metrics."""
        loop = asyncio.get_running_loop()
        deaths = restarts = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._live(restarts)
            if self._stopping.is_set():
                break
            restarts += 1
            if status == 0:  # it was asked to end, so that another takes its place
                logger.info("%s is renewed", self._name)
                continue
            deaths = 1 if loop.time() - began > CALM_SECONDS else deaths + 1
            delay = delay_after(deaths)
            how = "could not be started" if status is None else how_it_ended(status)
            logger.warning("%s %s, starting again in %.1f s", self._name, how, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
        self.gone.set()

    async def _live(self, restarts: int) -> int | None:
        """Start it and wait for its end; return its status, or None if the system does not start it."""
        command = (sys.executable, "-m", "gateway.server.worker", str(restarts))
        try:
            # Its standard input is how it learns that there is no supervisor any more; nothing is ever written to it.
            self._process = await asyncio.create_subprocess_exec(*command, env=self._environment, stdin=PIPE)
        except OSError as error:  # no memory, say, or too many processes
            logger.error("%s: %s", self._name, error.strerror)
            return None
        if self._stopping.is_set():  # it was told so while the program was being started
            self.signal(signal.SIGTERM)
        return await self._process.wait()

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signum)

    def stop(self) -> None:
        """Ask it to end, and start it no more."""
        self._stopping.set()
        self.signal(signal.SIGTERM)


class Supervisor:
    """Owns the workers, which share `port`."""

    def __init__(self, settings: GatewaySettings, port: int) -> None:
        self._drain_seconds = settings.drain_seconds
        self._workers = [Worker(place, settings, port) for place in range(settings.workers)]
        self._asked_to_stop = asyncio.Event()

    async def run(self) -> None:
        """Keep the workers running until SIGTERM or SIGINT, then stop them in turns; a second signal ends all now."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._on_signal)
        running = [asyncio.create_task(worker.run()) for worker in self._workers]
        await self._asked_to_stop.wait()
        await self._stop()
        await asyncio.gather(*running)

    def _on_signal(self) -> None:
        if self._asked_to_stop.is_set():
            self._kill()
            os._exit(1)
        self._asked_to_stop.set()

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.signal(signal.SIGUSR1)
        await asyncio.sleep(self._drain_seconds)
        for worker in self._workers:
            worker.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.gone.wait(), TURNS_SECONDS / len(self._workers))
        try:
            async with asyncio.timeout(END_SECONDS):
                for worker in self._workers:
                    await worker.gone.wait()
        except TimeoutError:
            self._kill()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.signal(signal.SIGKILL)


def run(settings: GatewaySettings) -> None:
    """Serve by several workers until told to stop. Raises SystemExit if somebody else listens on the port already."""
    with logging_to_stderr("gateway", json_lines=settings.json_logs, level=settings.log_level):
        with bound(settings, shares_port=False) as probe:  # the workers' own would share it with anybody of ours
            port = probe.getsockname()[1]
        asyncio.run(Supervisor(settings, port).run())
