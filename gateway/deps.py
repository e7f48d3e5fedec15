"""The dependencies of the routes and middlewares."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from gateway.backends import Backends
from gateway.http.access_log import AccessLogWriter
from gateway.http.origins import Origins
from gateway.http.rate_limiter import RateLimiter
from gateway.server.worker_link import SupervisorLink
from gateway.sessions.reader import Reader
from gateway.sessions.token_guesses import TokenGuesses
from gateway.settings import GatewaySettings
from trivet.client import NearCache


@dataclass(frozen=True, kw_only=True)
class Deps:
    """Made once, in `server/worker.py`. Tests replace the parts."""

    settings: GatewaySettings
    backends: Backends
    origins: Origins
    access_log: AccessLogWriter
    near: NearCache = field(default_factory=NearCache)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    link: SupervisorLink | None = None
    """None if this process is the only worker."""

    @cached_property
    def token_guesses(self) -> TokenGuesses | None:
        """The rate limit of wrong tokens, None if rate limiting is off."""
        if not self.settings.rate_limit_on:
            return None
        return TokenGuesses(self.settings, self.reader.cookies, self.backends.limits, self.rate_limiter)

    @cached_property
    def reader(self) -> Reader:
        """Reads sessions, profiles and other cached messages."""
        return Reader(self.settings, self.backends, self.near)
