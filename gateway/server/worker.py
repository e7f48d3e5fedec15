"""A gateway worker: settings and wiring. `python -m gateway.server.worker` runs one of several that share a port."""

import gc
import os
import signal
import sys
import threading
import time

import uvloop
from prometheus_client import REGISTRY

from gateway.app import build_app, fast_handlers
from gateway.backends import open_backends
from gateway.deps import Deps
from gateway.http.access_log import LAST_WRITE_SECONDS, open_access_log
from gateway.http.origins import Origins
from gateway.server.serve import serve
from gateway.server.sockets import GRACE_SECONDS
from gateway.sessions.near_cache_metrics import NearCacheMetrics
from gateway.settings import GatewaySettings
from known_variables import KNOWN_VARIABLES
from runtime import failpoints
from runtime.settings import read
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.loop_lag import measured_lag
from runtime.telemetry.metrics import Counter
from runtime.telemetry.tracing import start_metrics, start_tracing
from trivet.client import NearCache, watching
from trivet.client.near.near_cache import UNSAFE

CONNECT_SECONDS = 2.0
"""How long a worker waits for the services before it accepts: longer than a channel's pause between attempts."""

restarts = Counter("trivet_gateway_worker_restarts_total", "Restarts of this worker after it had ended.")


async def main(settings: GatewaySettings, *, shares_port: bool) -> None:
    if settings.metrics_port:
        start_metrics(settings.host, settings.metrics_port)
    async with open_backends(settings) as backends, open_access_log(backends.logs) as access_log:
        near = NearCache(max_bytes=settings.near_cache_bytes, unsafe=_switched_off())
        deps = Deps(settings=settings, backends=backends, origins=Origins(settings), access_log=access_log, near=near)
        REGISTRY.register(NearCacheMetrics(deps.reader.cached))
        async with watching(backends.cache, near), measured_lag():
            if shares_port:  # others answer meanwhile
                await backends.connected(CONNECT_SECONDS)
            app, fast = build_app(deps), fast_handlers(deps)
            gc.collect()
            gc.freeze()  # loaded modules stay: a full collection then takes some 6 ms instead of 36
            await serve(app, settings, deps.draining, shares_port=shares_port, fast=fast)


def _switched_off() -> list[str]:
    """Return the protections of the near cache that a test switched off."""
    return [name for name in UNSAFE if failpoints.is_on(f"nearcache.{name}")]


def run(settings: GatewaySettings, *, shares_port: bool = False) -> None:
    """Serve until a signal. Raises SystemExit, with one line that says why, if that is not possible."""
    with logging_to_stderr("gateway", json_lines=settings.json_logs, level=settings.log_level):
        tracing = start_tracing("gateway")
        uvloop.run(main(settings, shares_port=shares_port))
        if tracing is not None:
            tracing.shutdown()


def end_with_the_supervisor(seconds: float) -> None:
    """Stop when standard input ends: then the supervisor is dead and no other process would stop this one.

    After `seconds` the process exits by force, because an event loop that hangs handles no signal.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    given = read(GatewaySettings, KNOWN_VARIABLES)
    restarts.of().value = int(sys.argv[1])
    # Ctrl-C in a terminal reaches all processes. The supervisor decides the order of the shutdown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_the_supervisor(given.drain_seconds + GRACE_SECONDS + 2 * LAST_WRITE_SECONDS)
    run(given, shares_port=True)
