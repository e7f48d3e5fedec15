"""What a module in auth/routes/ exports: its endpoints, and the error codes for the reasons of its calls."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from gateway.auth.protocol.bodies import FORM, JSON
from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.guards import Guard, public
from gateway.auth.protocol.limits import DEFAULT
from gateway.auth.protocol.refusals import ErrorCode
from gateway.http.rate_limiter import Limit
from gateway.http.request_context import Header

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One route below /api/auth. In `path`, `:NAME` matches one segment.

    `limit` is counted for each client address and path. `mailed_field` is the member of the body that holds the
    address to which the endpoint sends mail. `is_first_sign_in`: the request comes before there are cookies, can be a
    form, and is checked for cross-site sign-in. `is_cross_site`: pages of other sites post to it. It only redirects.
    """

    method: str
    path: str
    answer: Callable[[AuthContext, T], Awaitable[Response]]
    body: type[T]
    guard: Guard = public
    limit: Limit = DEFAULT
    mailed_field: str = ""
    is_first_sign_in: bool = False
    is_cross_site: bool = False
    headers: tuple[Header, ...] = ()

    @property
    def media_types(self) -> tuple[str, ...]:
        return (FORM, JSON) if self.is_first_sign_in or self.is_cross_site else (JSON,)

    def mailed_address(self, body: object) -> str:
        """Return the email address to which a request has mail sent; empty if there is none."""
        address = body.get(self.mailed_field) if self.mailed_field and isinstance(body, dict) else None
        return address if isinstance(address, str) else ""


@dataclass(frozen=True, slots=True)
class Feature:
    """A module's endpoints, and its error codes by identity's reason."""

    endpoints: Sequence[Endpoint[Any]]
    error_codes: Mapping[str, ErrorCode] = field(default_factory=dict)
