"""The gateway as a process: settings and wiring."""

import asyncio

from gateway.app import build_app
from gateway.backends import open_backends
from gateway.deps import Deps
from gateway.origins import Origins
from gateway.request_log import open_request_log
from gateway.serve import serve
from gateway.settings import GatewaySettings
from runtime import failpoints
from runtime.lag import measured_lag
from runtime.logs import logging_to_stderr
from runtime.settings import read
from runtime.telemetry import start_metrics, start_tracing
from trivet.client import NearCache, watching
from trivet.client.nearcache import UNSAFE


async def main(settings: GatewaySettings) -> None:
    if settings.metrics_port:
        start_metrics(settings.host, settings.metrics_port)
    async with open_backends(settings) as backends, open_request_log(backends.logs) as request_log:
        near = NearCache(max_bytes=settings.near_cache_bytes, unsafe=_switched_off())
        deps = Deps(settings, backends, Origins(settings), request_log, near)
        async with watching(backends.cache, near), measured_lag():
            await serve(build_app(deps), settings, deps.draining)


def _switched_off() -> list[str]:
    """Return the protections of the near cache that a test does without."""
    return [name for name in UNSAFE if failpoints.is_on(f"nearcache.{name}")]


if __name__ == "__main__":
    settings = read(GatewaySettings)
    with logging_to_stderr("gateway", json_lines=settings.json_logs, level=settings.log_level):
        tracing = start_tracing("gateway", settings.trace_ratio)
        asyncio.run(main(settings))
        if tracing is not None:
            tracing.shutdown()
