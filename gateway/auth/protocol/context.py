"""The context of one request to an auth route: who makes it, and the cookies of its response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth.protocol.bodies import JSON
from gateway.auth.protocol.cookie_cache.cookie_cache import CookieCache
from gateway.auth.protocol.limits import Limits
from gateway.auth.protocol.refusals import too_many
from gateway.deps import Deps
from gateway.http.client_address import client_address, limit_subject
from gateway.http.request_context import request_context_of
from gateway.sessions.cookies import SessionCookies
from gateway.sessions.reader import SignedIn
from gateway.sessions.wire_objects import builtins, session_object, user_object
from trivet.identity.v1.resources_pb2 import Session, SessionOrigin, User

USER_AGENT_LENGTH = 512


@dataclass(slots=True)
class AuthContext:
    """A request, its caller once a guard has admitted one, and the cookies that the response sets.

    `limits` is None if rate limiting is off, and `cookie_cache` if the `session_data` cookie is off. `body` is the
    decoded body with all its members. `parameters` are the open segments of the path.
    """

    request: Request
    deps: Deps
    limits: Limits | None
    cookie_cache: CookieCache | None
    body: object = UNSET
    signed_in: SignedIn | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    opened_token: str = ""

    @property
    def cookies(self) -> SessionCookies:
        return self.deps.reader.cookies

    @property
    def caller(self) -> SignedIn:
        """The user that the guard admitted, with the session."""
        assert self.signed_in is not None, "the endpoint has no guard"
        return self.signed_in

    def session_origin(self, *, remember: bool = True) -> SessionOrigin:
        """Return what a session records of the request that opens it."""
        return SessionOrigin(
            ip_address=self._client_address(),
            user_agent=self.request.headers.get("user-agent", "")[:USER_AGENT_LENGTH],
            remember_me=remember,
        )

    def limit_subject(self) -> str:
        """Return the client as rate limits count it."""
        return limit_subject(self._client_address())

    async def count_password_attempt(self, account: str) -> None:
        """Raise Refusal if the password of an account, an email or a user id, was tried too often."""
        if self.limits and (seconds := await self.limits.password(account, self.limit_subject())):
            raise too_many(seconds)

    def _client_address(self) -> str:
        return client_address(self.request.scope, self.deps.settings.trusted_proxies)

    def has_query(self, name: str) -> bool:
        """Whether the query has a parameter that is not empty."""
        return self.request.scope["query_string"] != b"" and bool(self.request.query_params.get(name))

    def open_session(self, session: Session, token: str, *, user: User, remember: bool) -> None:
        """Set the cookies of a session. Without `remember` the browser keeps them until it closes."""
        lifetime = session.expire_time.seconds - session.update_time.seconds
        self.set_cookies = self.cookies.opened(self.request, token, lifetime if remember else None)
        if self.cookie_cache is not None:
            members = builtins(session_object(session, token)), builtins(user_object(user))
            self.set_cookies += self.cookie_cache.written(self.request, *members, remember=remember)
        self.opened_token = token
        request_context_of(self.request.scope).user_id = session.user_id

    def renew_cookie_cache(self, found: SignedIn, *, always: bool = False) -> None:
        """Set the `session_data` cookie if the browser's differs from the session. With `always`, set it anyway."""
        if self.cookie_cache is None or self.set_cookies:
            return
        members = builtins(session_object(found.session, found.token)), builtins(user_object(found.user))
        remember = not self.cookies.is_not_remembered(self.request)
        self.set_cookies = self.cookie_cache.renewed(self.request, *members, remember=remember, always=always)

    def close_session(self) -> None:
        """Remove the cookies of the session."""
        self.set_cookies = self.cookies.closed(self.request)
        self.opened_token = ""

    def json(self, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return Response(msgspec.json.encode(value), status, dict(headers or {}), media_type=JSON)

    def with_cookies(self, response: Response) -> Response:
        """Add the cookies to a response, and `set-auth-token` for clients that keep no cookies."""
        for cookie in self.set_cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        if self.opened_token:
            response.headers["set-auth-token"] = self.cookies.signer.sign(self.opened_token)
        return response


def location(url: str) -> str:
    """Return a URL percent-encoded as a Location header needs it."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")
