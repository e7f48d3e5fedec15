"""Signing in at a provider, from the first click to the session: what the RPCs of AccountService do."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from prometheus_client import Counter

from runtime import json_text
from runtime.errors import NotFound, PermissionDenied
from services.identity.oauth.errors import ExchangeError, OAuthError
from services.identity.oauth.flows.account_linking import Entered, Entrances, Vouched
from services.identity.oauth.flows.authorization_state import STATE_LENGTH, Begun, Link, Transactions
from services.identity.oauth.linked_accounts import Identity
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.discovery import Ready
from services.identity.oauth.providers.relying_party import RelyingParty, in_time, reached
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.sessions.sessions import Origin
from services.identity.users.users import Users

logger = logging.getLogger(__name__)
completed = Counter("trivet_oauth_callbacks_total", "Sign-ins at providers that ended, by how.", ["outcome"])
BANNED = "You have been banned from this application. Please contact support if you believe this is an error."
MAX_WORD = 128
MAX_DESCRIPTION = 512
BARE_ORIGIN = re.compile("https?://[^/?#]+", re.IGNORECASE)
NAME_PARTS = ("firstName", "lastName")


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a sign-in begins and where it is to lead."""

    provider: str
    callback_url: str = ""
    new_user_url: str = ""
    error_url: str = ""
    scopes: Sequence[str] = ()
    request_sign_up: bool = False
    login_hint: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    link_user_id: str = ""
    link_session_id: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """What a provider sent the browser back with, and the state that the browser itself has kept."""

    provider: str
    state: str = ""
    browser_state: str = ""
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""
    error_description: str = ""
    user_json: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Where the browser goes now; who came in, unless something failed or an account was linked."""

    redirect_url: str
    entered: Entered | None = None
    error: str = ""


class OAuth:
    """The flows. `base_url` is where browsers reach the gateway, `auth_url` where they reach its auth routes."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        relying: RelyingParty,
        transactions: Transactions,
        entrances: Entrances,
        users: Users,
        rules: OAuthRules,
        *,
        base_url: str,
        error_url: str,
    ) -> None:
        self._providers = providers
        self._relying = relying
        self._transactions = transactions
        self._entrances = entrances
        self._users = users
        self._rules = rules
        self._base_url = base_url
        self._error_url = error_url

    async def begin(self, wish: Wish) -> tuple[str, str]:
        """Begin a transaction; return the provider's page for it and its state.

        Raises NotFound (PROVIDER_NOT_FOUND, USER_NOT_FOUND) and Unavailable (PROVIDER_UNAVAILABLE).
        """
        ready = await reached(self._relying, self._providers.get(wish.provider))
        begun = Begun(
            provider=wish.provider,
            callback_url=wish.callback_url or self._base_url,
            error_url=wish.error_url,
            new_user_url=wish.new_user_url,
            request_sign_up=wish.request_sign_up,
            link=await self._link_of(wish) if wish.link_user_id else None,
        )
        state = await self._transactions.begin(begun)
        page = self._relying.authorization_url(
            ready,
            state=state,
            nonce=begun.nonce,
            verifier=begun.verifier,
            scopes=wish.scopes,
            login_hint=wish.login_hint,
            extra=wish.extra,
        )
        return page, state

    async def _link_of(self, wish: Wish) -> Link:
        user = await self._users.find(wish.link_user_id)
        if user is None:
            raise NotFound("USER_NOT_FOUND", "there is no such user")
        return Link(user.id, wish.link_session_id, user.email)

    async def complete(self, callback: Callback, origin: Origin) -> Ended:
        """End a transaction. It is spent whatever comes of it, but not by a browser that has not begun it.

        Raises Unavailable when the database is gone.
        """
        error_url = self._error_url
        try:
            begun = await self._spent(callback)
            error_url = begun.error_url or error_url
            with in_time():
                who = await self._vouched(callback, begun)
            ended = await self._ended(who, begun, origin)
        except _ElsewhereError as error:
            ended = self._failed(error.error_url or error_url, OAuthError("state_mismatch"))
        except OAuthError as error:
            ended = self._failed(error_url, error)
        except PermissionDenied as error:
            ended = self._failed(error_url, OAuthError(error.reason, BANNED))
        completed.labels(ended.error if ended.error in WORDS else "other" if ended.error else "done").inc()
        return ended

    async def _spent(self, callback: Callback) -> Begun:
        if not callback.state:
            raise OAuthError("state_not_found")
        if len(callback.state) != STATE_LENGTH or not callback.state.isascii():
            raise OAuthError("state_mismatch")
        if callback.state != callback.browser_state:
            # Somebody else's browser: it learns nothing, and the one that has begun can still end it.
            found = await self._transactions.look(callback.state)
            raise _ElsewhereError(found.error_url if found else "")
        begun = await self._transactions.spend(callback.state)
        if begun is None:
            raise OAuthError("state_mismatch")
        if begun.provider != callback.provider:  # an answer of one provider for a question to another: mix-up
            raise _ElsewhereError(begun.error_url)
        return begun

    async def _vouched(self, callback: Callback, begun: Begun) -> Vouched:
        if callback.error:
            raise OAuthError(callback.error[:MAX_WORD], callback.error_description[:MAX_DESCRIPTION])
        if not callback.code:
            raise OAuthError("no_code")
        provider = self._providers.get(begun.provider)
        if provider is None:
            raise OAuthError("oauth_provider_not_found")
        try:
            ready = await self._relying.ready(provider)
        except ExchangeError as error:
            logger.warning("%s cannot be reached: %s", provider.id, error)
            raise OAuthError("invalid_code") from None
        _check_issuer(ready, callback.iss)
        tokens = await self._relying.redeem(ready, callback.code, verifier=begun.verifier)
        name = _name_of(callback.user_json)
        profile, issuer = await self._relying.identify(ready, tokens, nonce=begun.nonce, iss=callback.iss, name=name)
        return Vouched(Identity(provider.id, issuer, profile.account_id), profile, tokens)

    async def _ended(self, who: Vouched, begun: Begun, origin: Origin) -> Ended:
        if begun.link is not None:
            link = begun.link
            await self._entrances.link(who, link.user_id, link.email, origin, session_id=link.session_id)
            return Ended(begun.callback_url)
        may_sign_up = self._rules.may_sign_up(begun.provider, requested=begun.request_sign_up)
        entered = await self._entrances.enter(who, origin, may_sign_up=may_sign_up, callback_url=begun.callback_url)
        there = begun.new_user_url if entered.created and begun.new_user_url else begun.callback_url
        return Ended(there, entered)

    def _failed(self, error_url: str, error: OAuthError) -> Ended:
        said = {"error": error.word} | ({"error_description": error.description} if error.description else {})
        return Ended(with_query(error_url, said), error=error.word)


WORDS = frozenset(
    {
        "state_not_found",
        "state_mismatch",
        "no_code",
        "oauth_provider_not_found",
        "invalid_code",
        "issuer_missing",
        "issuer_mismatch",
        "unable_to_get_user_info",
        "email_not_found",
        "account_not_linked",
        "unable_to_link_account",
        "email_does_not_match",
        "account_already_linked_to_different_user",
        "signup_disabled",
        "unable_to_create_user",
        "access_denied",
        "BANNED_USER",
    }
)
"""What is counted by name: a provider may say anything."""


class _ElsewhereError(Exception):
    """The transaction was not begun by this browser, or not at this provider."""

    def __init__(self, error_url: str) -> None:
        super().__init__()
        self.error_url = error_url


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL or path with more query parameters, before its fragment; what it has stays as it is spelled."""
    rest, mark, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    if BARE_ORIGIN.fullmatch(path):
        path += "/"
    return f"{path}?{'&'.join(filter(None, (query.removesuffix('&'), urlencode(parameters))))}{mark}{fragment}"


def _check_issuer(ready: Ready, iss: str) -> None:
    """Raise OAuthError if the callback is another issuer's (RFC 9207)."""
    known = ready.provider.issuer if ready.provider.is_openid else ""
    if iss and known and iss != known:
        raise OAuthError("issuer_mismatch")
    if not iss and ready.says_iss:
        raise OAuthError("issuer_missing")


def _name_of(user_json: str) -> str:
    """Return the name in what Apple sends at the first sign-in, empty if there is none."""
    try:
        name = json_text.parse(user_json or "{}").get("name") or {}
        return " ".join(part for key in NAME_PARTS if isinstance(part := name.get(key), str) and part)
    except (ValueError, TypeError, AttributeError):
        return ""
