"""Runs several workers on one port, each a fresh process. The supervisor itself answers no request."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping

from gateway.server.sockets import GRACE_SECONDS, bound
from gateway.server.worker_link import Startup
from gateway.settings import GatewaySettings
from runtime.background.restart_backoff import CALM_SECONDS, delay_after, how_it_ended
from runtime.background.tasks import end
from runtime.settings import OWN_ENVIRONMENT
from runtime.telemetry.logs import logging_to_stderr

logger = logging.getLogger(__name__)

STAGGER_SECONDS = 1.0
"""The time in which all workers are stopped, one after the other."""
END_SECONDS = GRACE_SECONDS + 1.5
"""The time of a worker's shutdown: for its requests and its log."""


class Worker:
    """A worker by its number: started, and restarted when it ends."""

    def __init__(
        self,
        place: int,
        settings: GatewaySettings,
        port: int,
        startup: Startup,
        environ: Mapping[str, str] = OWN_ENVIRONMENT,
    ) -> None:
        self._place = place
        self._startup = startup
        self._name = f"gateway worker {place + 1}"
        self._environment = {**environ, "TRIVET_GATEWAY_WORKERS": "1", "TRIVET_HTTP_PORT": str(port)}
        if settings.metrics_port:
            self._environment["TRIVET_METRICS_PORT"] = str(settings.metrics_port + place)
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self.gone = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until it is stopped. Its own /metrics has the number of restarts."""
        loop = asyncio.get_running_loop()
        deaths = restarts = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._live(restarts)
            if self._stopping.is_set():
                break
            restarts += 1
            if status == 0:  # it was stopped in order to be replaced
                logger.info("%s ended with status 0, starting again", self._name)
                continue
            deaths = 1 if loop.time() - began > CALM_SECONDS else deaths + 1
            delay = delay_after(deaths)
            how = "could not be started" if status is None else how_it_ended(status)
            logger.warning("%s %s, starting again in %.1f s", self._name, how, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
        self.gone.set()

    async def _live(self, restarts: int) -> int | None:
        """Start it and wait for its end. Returns its status, or None if it could not be started."""
        command = (sys.executable, "-m", "gateway.server.worker", str(restarts))
        ours, workers = socket.socketpair()
        try:
            with workers:
                self._process = await asyncio.create_subprocess_exec(
                    *command, env=self._environment, stdin=workers.fileno()
                )
        except OSError as error:  # for example no memory, or too many processes
            ours.close()
            logger.error("%s: %s", self._name, error.strerror)
            return None
        if self._stopping.is_set():  # it was stopped during the start
            self.signal(signal.SIGTERM)
        following = asyncio.create_task(self._startup.follow(self._place, ours))
        try:
            return await self._process.wait()
        finally:
            await end(following)

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signum)

    def stop(self) -> None:
        """Stop it, and do not restart it."""
        self._stopping.set()
        self.signal(signal.SIGTERM)


class Supervisor:
    """Runs the workers, which share `port`."""

    def __init__(self, settings: GatewaySettings, port: int) -> None:
        self._drain_seconds = settings.drain_seconds
        startup = Startup(settings.workers)
        self._workers = [Worker(place, settings, port, startup) for place in range(settings.workers)]
        self._asked_to_stop = asyncio.Event()

    async def run(self) -> None:
        """Run the workers until SIGTERM or SIGINT, then stop them in turn. A second signal kills them."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._signal_all, signal.SIGHUP)
        running = [asyncio.create_task(worker.run()) for worker in self._workers]
        await self._asked_to_stop.wait()
        await self._stop()
        await asyncio.gather(*running)

    def _signal_all(self, signum: signal.Signals) -> None:
        for worker in self._workers:
            worker.signal(signum)

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
                await asyncio.wait_for(worker.gone.wait(), STAGGER_SECONDS / len(self._workers))
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
    """Serve with several workers until a signal. Raises SystemExit if the port is in use."""
    with logging_to_stderr("gateway", json_lines=settings.json_logs, level=settings.log_level):
        with bound(settings, shares_port=False) as probe:  # the workers' sockets would share it with another gateway
            port = probe.getsockname()[1]
        asyncio.run(Supervisor(settings, port).run())
