"""One request to an auth route while it is being answered, and what its answer leaves with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth.protocol.bodies import JSON
from gateway.auth.protocol.cookie_cache import SessionData
from gateway.auth.protocol.limits import Limits
from gateway.auth.protocol.refusals import too_many
from gateway.deps import Deps
from gateway.http.client_address import client_address, limit_subject
from gateway.http.request_context import exchange_of
from gateway.sessions.cookies import SessionCookies
from gateway.sessions.reader import SignedIn
from gateway.sessions.wire_objects import builtins, session_object, user_object
from trivet.identity.v1.auth_service_pb2 import SessionOrigin
from trivet.identity.v1.resources_pb2 import Session, User

USER_AGENT_LENGTH = 512


@dataclass(slots=True)
class Visit:
    """A request, who makes it once a guard has found out, and the cookies that the answer will set."""

    request: Request
    deps: Deps
    limits: Limits | None  # None where nothing is limited
    data: SessionData | None  # None where the cookie is off
    body: object = UNSET  # as it was decoded, with members that no endpoint's struct has
    signed_in: SignedIn | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)  # the open segments of the path
    set_cookies: list[str] = field(default_factory=list)
    opened_token: str = ""

    @property
    def cookies(self) -> SessionCookies:
        return self.deps.reads.cookies

    @property
    def known(self) -> SignedIn:
        """Who the guard let in."""
        assert self.signed_in is not None, "the endpoint has no guard"
        return self.signed_in

    def origin(self, *, remember: bool = True) -> SessionOrigin:
        """Return where a session is being opened."""
        return SessionOrigin(
            ip_address=self._address(),
            user_agent=self.request.headers.get("user-agent", "")[:USER_AGENT_LENGTH],
            remember_me=remember,
        )

    def address(self) -> str:
        """Return what limits count the client by."""
        return limit_subject(self._address())

    async def count_try(self, account: str) -> None:
        """Raise Refusal if the password of an email or a user id has been tried too often."""
        if self.limits and (seconds := await self.limits.password(account, self.address())):
            raise too_many(seconds)

    def _address(self) -> str:
        return client_address(self.request.scope, self.deps.settings.trusted_proxies)

    def asks(self, name: str) -> bool:
        """Whether the query has a parameter with a text, any text."""
        return self.request.scope["query_string"] != b"" and bool(self.request.query_params.get(name))

    def open(self, session: Session, token: str, *, user: User, remember: bool) -> None:
        """Make the answer keep a session for as long as sessions live, or until the browser closes."""
        lifetime = session.expire_time.seconds - session.update_time.seconds
        self.set_cookies = self.cookies.opened(self.request, token, lifetime if remember else None)
        if self.data is not None:
            members = builtins(session_object(session, token)), builtins(user_object(user))
            self.set_cookies += self.data.written(self.request, *members, remember=remember)
        self.opened_token = token
        exchange_of(self.request.scope).user_id = session.user_id

    def keep_data(self, found: SignedIn, *, always: bool = False) -> None:
        """Make the answer renew `session_data` where it is wanted and no longer right, or with `always` anyway."""
        if self.data is None or self.set_cookies:
            return
        members = builtins(session_object(found.session, found.token)), builtins(user_object(found.user))
        remember = not self.cookies.is_not_remembered(self.request)
        self.set_cookies = self.data.renewed(self.request, *members, remember=remember, always=always)

    def close(self) -> None:
        """Make the answer forget the session."""
        self.set_cookies = self.cookies.closed(self.request)
        self.opened_token = ""

    def json(self, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return Response(msgspec.json.encode(value), status, dict(headers or {}), media_type=JSON)

    def dress(self, response: Response) -> Response:
        """Add the cookies, and for those who keep no cookies the token that they would have kept."""
        for cookie in self.set_cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        if self.opened_token:
            response.headers["set-auth-token"] = self.cookies.signer.sign(self.opened_token)
        return response


def location(url: str) -> str:
    """Return a URL as a header may carry it."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")
