"""The routes of the protocol that are served: what each takes, whom it lets in, and who answers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from gateway.auth.protocol.bodies import FORM, JSON
from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.guards import Guard, anybody, confirmed, fresh, signed_in
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes import (
    deletion,
    email_password,
    email_verification,
    linked_accounts,
    pages,
    profile,
    sessions,
    social,
)
from gateway.http.request_context import Header

T = TypeVar("T", bound=msgspec.Struct)

NEVER_CACHED = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """One route. `is_first_sign_in`: reached before there are cookies, also by forms, and guarded as such.

    `is_from_afar`: other sites' pages post to it; it does nothing but send the browser on.
    """

    answer: Callable[[Visit, T], Awaitable[Response]]
    body: type[T]
    guard: Guard = anybody
    is_first_sign_in: bool = False
    is_from_afar: bool = False
    headers: tuple[Header, ...] = ()

    @property
    def media_types(self) -> tuple[str, ...]:
        return (FORM, JSON) if self.is_first_sign_in or self.is_from_afar else (JSON,)


ENDPOINTS: Mapping[tuple[str, str], Endpoint[Any]] = {
    ("POST", "/sign-up/email"): Endpoint(email_password.sign_up, email_password.SignUp, is_first_sign_in=True),
    ("POST", "/sign-in/email"): Endpoint(email_password.sign_in, email_password.SignIn, is_first_sign_in=True),
    ("POST", "/sign-in/social"): Endpoint(social.sign_in_social, social.SignInSocial),
    ("GET", "/callback/:provider"): Endpoint(social.callback, social.Answer),
    ("POST", "/callback/:provider"): Endpoint(social.posted_callback, social.PostedAnswer, is_from_afar=True),
    ("POST", "/link-social"): Endpoint(social.link_social, social.SignInSocial, confirmed),
    ("GET", "/list-accounts"): Endpoint(linked_accounts.list_accounts, Anything, signed_in),
    ("POST", "/unlink-account"): Endpoint(linked_accounts.unlink_account, linked_accounts.UnlinkAccount, fresh),
    ("POST", "/get-access-token"): Endpoint(linked_accounts.get_access_token, Anything, linked_accounts.selecting),
    ("POST", "/refresh-token"): Endpoint(linked_accounts.refresh_token, Anything, linked_accounts.selecting),
    ("GET", "/account-info"): Endpoint(linked_accounts.account_info, Anything, linked_accounts.selecting),
    ("POST", "/sign-out"): Endpoint(email_password.sign_out, email_password.SignOut),
    ("GET", "/get-session"): Endpoint(sessions.get_session, Anything, headers=NEVER_CACHED),
    ("POST", "/get-session"): Endpoint(sessions.post_session, Anything, headers=NEVER_CACHED),
    ("GET", "/list-sessions"): Endpoint(sessions.list_sessions, Anything, fresh),
    ("POST", "/update-session"): Endpoint(sessions.update_session, sessions.UpdateSession, signed_in),
    ("POST", "/revoke-session"): Endpoint(sessions.revoke_session, sessions.RevokeSession, confirmed),
    ("POST", "/revoke-sessions"): Endpoint(sessions.revoke_sessions, Anything, confirmed),
    ("POST", "/revoke-other-sessions"): Endpoint(sessions.revoke_other_sessions, Anything, confirmed),
    ("POST", "/update-user"): Endpoint(profile.update_user, profile.UpdateUser, signed_in),
    ("POST", "/change-password"): Endpoint(profile.change_password, profile.ChangePassword, confirmed),
    ("POST", "/verify-password"): Endpoint(profile.verify_password, profile.VerifyPassword, confirmed),
    ("POST", "/delete-user"): Endpoint(deletion.delete_user, deletion.DeleteUser, confirmed),
    ("GET", "/delete-user/callback"): Endpoint(deletion.callback, deletion.Callback),
    ("POST", "/change-email"): Endpoint(email_verification.change_email, email_verification.ChangeEmail, confirmed),
    ("POST", "/send-verification-email"): Endpoint(
        email_verification.send_verification, email_verification.SendVerification
    ),
    ("GET", "/verify-email"): Endpoint(email_verification.verify_email, email_verification.VerifyEmail),
    ("POST", "/request-password-reset"): Endpoint(email_verification.request_reset, email_verification.RequestReset),
    ("GET", "/reset-password/:token"): Endpoint(email_verification.follow_reset, email_verification.FollowReset),
    ("POST", "/reset-password"): Endpoint(email_verification.reset_password, email_verification.ResetPassword),
    ("GET", "/ok"): Endpoint(pages.ok, Anything),
    ("GET", "/error"): Endpoint(pages.error, Anything),
}
"""By method and path below /api/auth; whatever is not here does not exist. `:NAME` stands for one segment."""


@dataclass(frozen=True, slots=True)
class Found:
    """The endpoint of a path, the template that it matched, and the segments that the template leaves open."""

    endpoint: Endpoint[Any]
    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r":(\w+)", r"(?P<\1>[^/]+)", template))


_OPEN = tuple((method, template, _pattern(template)) for method, template in ENDPOINTS if ":" in template)


def find(method: str, path: str) -> Found | None:
    """Return what serves a path below /api/auth, None if nothing does. A path without open segments goes first."""
    if ":" not in path and (endpoint := ENDPOINTS.get((method, path))) is not None:
        return Found(endpoint, path)
    for served, template, pattern in _OPEN:
        if served == method and (matched := pattern.fullmatch(path)):
            return Found(ENDPOINTS[method, template], template, matched.groupdict())
    return None
