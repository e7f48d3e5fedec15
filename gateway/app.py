"""The gateway's application: its routes, and the middlewares around them."""

import asyncio

from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from gateway import dev_mailbox, probes, webhooks
from gateway.api import me
from gateway.api.openapi import page
from gateway.api.services import NOT_IMPLEMENTED, SERVICES
from gateway.api.transcoder import Transcoder
from gateway.auth import better_auth
from gateway.deps import Deps
from gateway.http.landing_page import Landing
from gateway.http.router import Router
from gateway.middleware.access_log import AccessLog
from gateway.middleware.admission import Admission
from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.cors import Cors
from gateway.middleware.deadline import Deadline
from gateway.middleware.error_handler import ErrorHandler
from gateway.middleware.host_header import HostHeader
from gateway.middleware.metrics import Metrics
from gateway.middleware.request_id import RequestId
from gateway.middleware.security_headers import SecurityHeaders
from gateway.middleware.trace import Trace
from gateway.server.granian_version import NOTHING_FAST, FastHandlers
from gateway.sessions.batched_fast_path import BatchedFastPath
from gateway.sessions.fast_path import FastPath, OffLoopFastPath


def hand_written(deps: Deps) -> list[BaseRoute]:
    """Return the hand-written routes. The transcoder serves those of the descriptors."""
    families = (probes, better_auth, me, webhooks, dev_mailbox)
    described = [route for family in families for route in family.routes(deps)]
    return [*described, *page.routes(deps, described)]


def middlewares(deps: Deps) -> list[Middleware]:
    """Return what every request passes on its way to a route, outermost first."""
    settings = deps.settings
    listed = [
        Middleware(RequestId),
        Middleware(Trace, ratio=settings.trace_ratio),
        Middleware(Metrics),
        Middleware(AccessLog, deps.access_log, hits_every=settings.log_hits_every),
        Middleware(SecurityHeaders, https=settings.base_url.startswith("https:")),
        Middleware(Cors, deps.origins),
        Middleware(ErrorHandler),  # below those that count and label answers: they see the answer to a failure, too
        Middleware(HostHeader),
        Middleware(Admission),
        Middleware(BodyLimit, seconds=2 * settings.header_seconds),
        Middleware(Deadline),
    ]
    # The fast path answers without all of these. It writes no `session_data` cookie.
    return [Middleware(FastPath, deps), *listed] if settings.cookie_cache == "off" else listed


def build_app(deps: Deps) -> ASGIApp:
    """Return the whole application: the middlewares around the routes."""
    routed = {process: (*served, *NOT_IMPLEMENTED.get(process, ())) for process, served in SERVICES.items()}
    app: ASGIApp = Router(hand_written(deps), otherwise=Landing(Transcoder(deps, routed), deps.settings))
    for cls, args, kwargs in reversed(middlewares(deps)):
        app = cls(app, *args, **kwargs)
    return app


def fast_handlers(deps: Deps) -> FastHandlers:
    """Return what answers before the application, if the fast path is on. The loop must run."""
    if deps.settings.cookie_cache != "off":
        return NOTHING_FAST
    return FastHandlers(OffLoopFastPath(deps, asyncio.get_running_loop()), BatchedFastPath(deps))
