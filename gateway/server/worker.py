"""A gateway worker: settings and wiring. `python -m gateway.server.worker` runs one of several that share a port."""

import asyncio
import gc
import signal
import sys
from contextlib import AsyncExitStack

import uvloop
from prometheus_client import REGISTRY

from gateway.app import build_app, fast_handlers
from gateway.backends import Backends, open_backends
from gateway.certificate import EVERY_SECONDS, FIRST_SECONDS, CertificateExpiry
from gateway.deps import Deps
from gateway.http.access_log import LAST_WRITE_SECONDS, open_access_log
from gateway.http.origins import Origins
from gateway.server.serve import serve
from gateway.server.sockets import GRACE_SECONDS
from gateway.server.worker_link import SupervisorLink
from gateway.sessions.near_cache_metrics import NearCacheMetrics
from gateway.settings import GatewaySettings
from known_variables import KNOWN_VARIABLES
from runtime import failpoints
from runtime.background.periodic import periodically
from runtime.background.tasks import end
from runtime.reload import reload_on_sighup
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


async def main(settings: GatewaySettings, link: SupervisorLink | None) -> None:
    if settings.metrics_port:
        start_metrics(settings.host, settings.metrics_port)
    async with open_backends(settings) as backends, open_access_log(backends.logs) as access_log:
        near = NearCache(max_bytes=settings.near_cache_bytes, unsafe=_switched_off())
        deps = Deps(
            settings=settings,
            backends=backends,
            origins=Origins(settings),
            access_log=access_log,
            near=near,
            link=link,
        )
        REGISTRY.register(NearCacheMetrics(deps.reader.cached))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(watching(backends.cache, near))
            await stack.enter_async_context(measured_lag())
            certificate = CertificateExpiry(settings.base_url)
            if certificate.is_https:
                expiry = periodically("certificate", EVERY_SECONDS, certificate.measure, first=FIRST_SECONDS)
                await stack.enter_async_context(expiry)
            if link is not None:  # others answer meanwhile
                await backends.connected(CONNECT_SECONDS)
                reporting = asyncio.create_task(_report(backends, link))
                stack.push_async_callback(end, reporting)
            reload_on_sighup(settings, dict.fromkeys(("trusted_origins", "trust_loopback"), deps.origins.use))
            app, fast = build_app(deps), fast_handlers(deps)
            gc.collect()
            gc.freeze()  # loaded modules stay: a full collection then takes some 6 ms instead of 36
            await serve(app, settings, deps.draining, shares_port=link is not None, fast=fast)


async def _report(backends: Backends, link: SupervisorLink) -> None:
    await backends.channels["identity"].channel_ready()
    link.report_connected()


def _switched_off() -> list[str]:
    """Return the protections of the near cache that a test switched off."""
    return [name for name in UNSAFE if failpoints.is_on(f"nearcache.{name}")]


def run(settings: GatewaySettings, link: SupervisorLink | None = None) -> None:
    """Serve until a signal. Raises SystemExit, with one line that says why, if that is not possible.

    `link` leads to the supervisor, if this is one of several workers.
    """
    with logging_to_stderr("gateway", json_lines=settings.json_logs, level=settings.log_level):
        tracing = start_tracing("gateway")
        uvloop.run(main(settings, link))
        if tracing is not None:
            tracing.shutdown()


if __name__ == "__main__":
    given = read(GatewaySettings, KNOWN_VARIABLES)
    restarts.of().value = int(sys.argv[1])
    # Ctrl-C in a terminal reaches all processes. The supervisor decides the order of the shutdown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    to_supervisor = SupervisorLink()
    to_supervisor.watch(given.drain_seconds + GRACE_SECONDS + 2 * LAST_WRITE_SECONDS)
    run(given, to_supervisor)
