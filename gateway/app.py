"""The gateway's application: its routes, and what is done around every request, in order."""

import asyncio

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from gateway import auth, dev_mailbox, probes, webhooks
from gateway.api import me
from gateway.api.openapi import page
from gateway.api.services import NOT_IMPLEMENTED, SERVICES
from gateway.api.transcoder import Transcoder
from gateway.deps import Deps
from gateway.http.landing_page import Landing
from gateway.http.router import Router
from gateway.middleware.access_log import LogRequests
from gateway.middleware.admission import Admission
from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.cors import Cors
from gateway.middleware.deadline import Deadline
from gateway.middleware.error_handler import ErrorNet
from gateway.middleware.host_header import OneHost
from gateway.middleware.metrics import Metrics
from gateway.middleware.request_id import RequestId
from gateway.middleware.security_headers import SecurityHeaders
from gateway.middleware.trace import Trace
from gateway.server.granian_version import Ahead
from gateway.sessions.session_checks import HeldChecks, SessionChecks


def hand_written(deps: Deps) -> list[BaseRoute]:
    """Return the routes that are not made from descriptors."""
    families = (probes, auth, me, webhooks, dev_mailbox)
    described = [route for family in families for route in family.routes(deps)]
    return [*described, *page.routes(deps, described)]


def build_app(deps: Deps) -> ASGIApp:
    """Return the whole application."""
    routed = {process: (*served, *NOT_IMPLEMENTED.get(process, ())) for process, served in SERVICES.items()}
    app: ASGIApp = Router(hand_written(deps), otherwise=Landing(Transcoder(deps, routed), deps.settings))
    app = Deadline(app)
    app = BodyLimit(app, seconds=2 * deps.settings.header_seconds)
    app = Admission(app)
    app = OneHost(app)
    app = ErrorNet(app)
    app = Cors(app, deps.origins)
    app = SecurityHeaders(app, https=deps.settings.base_url.startswith("https:"))
    app = LogRequests(app, deps.request_log, hits_every=deps.settings.log_hits_every)
    app = Metrics(app)
    app = Trace(app, ratio=deps.settings.trace_ratio)
    app = RequestId(app)
    # Does what all of these do for its answers by itself; where `session_data` is written it has none.
    return SessionChecks(app, deps) if deps.settings.cookie_cache == "off" else app


def answers_ahead(deps: Deps) -> Ahead | None:
    """Return what answers requests ahead of the event loop, which runs."""
    return HeldChecks(deps, asyncio.get_running_loop()) if deps.settings.cookie_cache == "off" else None
