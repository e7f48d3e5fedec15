"""The routes of the protocol that are served: what each takes, whom it lets in, and who answers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from gateway.auth import account, accounts, deletion, emails, entering, pages, sessions, social
from gateway.auth.bodies import FORM, JSON
from gateway.auth.guards import Guard, anybody, confirmed, fresh, signed_in
from gateway.auth.validation import Anything
from gateway.auth.visit import Visit
from gateway.exchange import Header

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
    ("POST", "/sign-up/email"): Endpoint(entering.sign_up, entering.SignUp, is_first_sign_in=True),
    ("POST", "/sign-in/email"): Endpoint(entering.sign_in, entering.SignIn, is_first_sign_in=True),
    ("POST", "/sign-in/social"): Endpoint(social.sign_in_social, social.SignInSocial),
    ("GET", "/callback/:provider"): Endpoint(social.callback, social.Answer),
    ("POST", "/callback/:provider"): Endpoint(social.posted_callback, social.PostedAnswer, is_from_afar=True),
    ("POST", "/link-social"): Endpoint(social.link_social, social.SignInSocial, confirmed),
    ("GET", "/list-accounts"): Endpoint(accounts.list_accounts, Anything, signed_in),
    ("POST", "/unlink-account"): Endpoint(accounts.unlink_account, accounts.UnlinkAccount, fresh),
    ("POST", "/get-access-token"): Endpoint(accounts.get_access_token, Anything, accounts.selecting),
    ("POST", "/refresh-token"): Endpoint(accounts.refresh_token, Anything, accounts.selecting),
    ("GET", "/account-info"): Endpoint(accounts.account_info, Anything, accounts.selecting),
    ("POST", "/sign-out"): Endpoint(entering.sign_out, entering.SignOut),
    ("GET", "/get-session"): Endpoint(sessions.get_session, Anything, headers=NEVER_CACHED),
    ("POST", "/get-session"): Endpoint(sessions.post_session, Anything, headers=NEVER_CACHED),
    ("GET", "/list-sessions"): Endpoint(sessions.list_sessions, Anything, fresh),
    ("POST", "/update-session"): Endpoint(sessions.update_session, sessions.UpdateSession, signed_in),
    ("POST", "/revoke-session"): Endpoint(sessions.revoke_session, sessions.RevokeSession, confirmed),
    ("POST", "/revoke-sessions"): Endpoint(sessions.revoke_sessions, Anything, confirmed),
    ("POST", "/revoke-other-sessions"): Endpoint(sessions.revoke_other_sessions, Anything, confirmed),
    ("POST", "/update-user"): Endpoint(account.update_user, account.UpdateUser, signed_in),
    ("POST", "/change-password"): Endpoint(account.change_password, account.ChangePassword, confirmed),
    ("POST", "/verify-password"): Endpoint(account.verify_password, account.VerifyPassword, confirmed),
    ("POST", "/delete-user"): Endpoint(deletion.delete_user, deletion.DeleteUser, confirmed),
    ("GET", "/delete-user/callback"): Endpoint(deletion.callback, deletion.Callback),
    ("POST", "/change-email"): Endpoint(emails.change_email, emails.ChangeEmail, confirmed),
    ("POST", "/send-verification-email"): Endpoint(emails.send_verification, emails.SendVerification),
    ("GET", "/verify-email"): Endpoint(emails.verify_email, emails.VerifyEmail),
    ("POST", "/request-password-reset"): Endpoint(emails.request_reset, emails.RequestReset),
    ("GET", "/reset-password/:token"): Endpoint(emails.follow_reset, emails.FollowReset),
    ("POST", "/reset-password"): Endpoint(emails.reset_password, emails.ResetPassword),
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
