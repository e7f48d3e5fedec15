"""Runs one process of the stack and restarts it when it dies."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process

from ops import ROOT
from ops.errors import WRONG, WrongSettings
from ops.stack.console import StackConsole
from ops.stack.processes.probes import Unready
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.processes.spawn import Guard, end_group, spawn
from runtime.background.restart_backoff import CALM_SECONDS, delay_after, how_it_ended

PROBE_EVERY_SECONDS = 0.1
REPORT_EVERY_SECONDS = 5.0


class Child:
    """Runs a process until `stop`. `ready` is set once the probe has succeeded after the last start."""

    def __init__(self, spec: ProcessSpec, guard: Guard, console: StackConsole) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self._guard = guard
        self._console = console
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._gone.set()

    async def run(self) -> None:
        """Start the process, and restart it when it dies. Raises WrongSettings if it refuses its settings."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._live(began)
            if self._stopping.is_set():
                return
            if status == WRONG:
                raise WrongSettings(f"{self.spec.name} refuses its settings: its own lines above say why")
            deaths = 1 if loop.time() - began > CALM_SECONDS else deaths + 1
            delay = delay_after(deaths)
            self._console.died(self.spec.name, how_it_ended(status) + self._see_log(), delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def stop(self, seconds: float) -> None:
        """Ask the process to end, and kill it after `seconds`."""
        self._stopping.set()
        self._terminate()
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            self.kill()
            await self._gone.wait()

    def _terminate(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Kill the process and all its children."""
        self._stopping.set()
        if self._process is not None and not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _live(self, began: float) -> int:
        """Run the process once; return its exit status."""
        spec = self.spec
        self._gone.clear()
        self._process = None
        self._process = process = await spawn(
            self._guard, spec.command, spec.environment, cwd=ROOT, log=spec.log, piped=self._console.is_terminal
        )
        if self._stopping.is_set():  # `stop` was called while the program was being started
            self._terminate()
        beside = [asyncio.create_task(self._watch_readiness(began)), asyncio.create_task(self._pass_lines_on(process))]
        try:
            return await process.wait()
        finally:
            end_group(self._guard, process.pid)
            self.ready.clear()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._gone.set()

    async def _watch_readiness(self, began: float) -> None:
        loop = asyncio.get_running_loop()
        tell_at = began + REPORT_EVERY_SECONDS
        while True:
            try:
                async with asyncio.timeout(REPORT_EVERY_SECONDS):
                    await self.spec.probe(self.spec.host, self.spec.port)
                break
            except (Unready, TimeoutError) as error:
                if loop.time() > tell_at:
                    self._console.waiting(self.spec.name, str(error) or "it accepts and does not answer")
                    tell_at = loop.time() + REPORT_EVERY_SECONDS
            await asyncio.sleep(PROBE_EVERY_SECONDS)
        self._console.ready(self.spec.name, self.spec.address, loop.time() - began)
        self.ready.set()

    async def _pass_lines_on(self, process: Process) -> None:
        while process.stdout is not None:
            try:
                line = await process.stdout.readline()
            except ValueError:
                line = b"(a line over 1 MiB was left out)"
            if not line:
                return
            self._console.line(self.spec.name, line.decode(errors="replace").rstrip("\n"))

    def _see_log(self) -> str:
        return f" (see {self.spec.log})" if self.spec.log else ""
