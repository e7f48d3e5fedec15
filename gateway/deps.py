"""What the handlers of every route share."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from gateway.backends import Backends
from gateway.http.access_log import RequestLog
from gateway.http.origins import Origins
from gateway.http.rate_limiter import Windows
from gateway.sessions.reader import Reads
from gateway.sessions.token_guesses import Guesses
from gateway.settings import GatewaySettings
from trivet.client import NearCache


@dataclass(frozen=True)
class Deps:
    """Made once, in `__main__.py`, and given to each family of routes.

    Whoever finds out who calls writes `exchange_of(request.scope).user_id`, for the access log.
    """

    settings: GatewaySettings
    backends: Backends
    origins: Origins
    request_log: RequestLog
    near: NearCache = field(default_factory=NearCache)
    windows: Windows = field(default_factory=Windows)
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def guesses(self) -> Guesses | None:
        """The count of wrong tokens, None where nothing is limited."""
        if not self.settings.rate_limit_on:
            return None
        return Guesses(self.settings, self.reads.cookies, self.backends.limits, self.windows)

    @cached_property
    def reads(self) -> Reads:
        """Sessions, profiles and whatever else is read through the cache."""
        return Reads(self.settings, self.backends, self.near)
