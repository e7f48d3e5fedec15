"""The routes of the protocol that are served: what each takes, whom it lets in, and who answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from gateway.auth import account, entering, pages, sessions
from gateway.auth.bodies import FORM, JSON
from gateway.auth.guards import Guard, anybody, confirmed, fresh, signed_in
from gateway.auth.validation import Anything
from gateway.auth.visit import Visit
from gateway.exchange import Header

T = TypeVar("T", bound=msgspec.Struct)

NEVER_CACHED = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One route. `is_first_sign_in`: reached before there are cookies, also by forms, and guarded as such."""

    answer: Callable[[Visit, T], Awaitable[Response]]
    body: type[T]
    guard: Guard = anybody
    is_first_sign_in: bool = False
    headers: tuple[Header, ...] = ()

    @property
    def media_types(self) -> tuple[str, ...]:
        return (FORM, JSON) if self.is_first_sign_in else (JSON,)


ENDPOINTS: Mapping[tuple[str, str], Endpoint[Any]] = {
    ("POST", "/sign-up/email"): Endpoint(entering.sign_up, entering.SignUp, is_first_sign_in=True),
    ("POST", "/sign-in/email"): Endpoint(entering.sign_in, entering.SignIn, is_first_sign_in=True),
    ("POST", "/sign-out"): Endpoint(entering.sign_out, entering.SignOut),
    ("GET", "/get-session"): Endpoint(sessions.get_session, Anything, headers=NEVER_CACHED),
    ("POST", "/get-session"): Endpoint(sessions.post_session, Anything, headers=NEVER_CACHED),
    ("GET", "/list-sessions"): Endpoint(sessions.list_sessions, Anything, fresh),
    ("POST", "/revoke-session"): Endpoint(sessions.revoke_session, sessions.RevokeSession, confirmed),
    ("POST", "/revoke-sessions"): Endpoint(sessions.revoke_sessions, Anything, confirmed),
    ("POST", "/revoke-other-sessions"): Endpoint(sessions.revoke_other_sessions, Anything, confirmed),
    ("POST", "/update-user"): Endpoint(account.update_user, account.UpdateUser, signed_in),
    ("POST", "/change-password"): Endpoint(account.change_password, account.ChangePassword, confirmed),
    ("POST", "/verify-password"): Endpoint(account.verify_password, account.VerifyPassword, confirmed),
    ("POST", "/delete-user"): Endpoint(account.delete_user, account.DeleteUser, confirmed),
    ("GET", "/ok"): Endpoint(pages.ok, Anything),
    ("GET", "/error"): Endpoint(pages.error, Anything),
}
"""By method and path below /api/auth; whatever is not here does not exist."""
