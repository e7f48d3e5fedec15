"""The redirect flow: from BeginOAuth to the provider's page, and from its callback to a session."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from prometheus_client import Counter

from runtime import json_text
from runtime.errors import NotFound, PermissionDenied
from services.identity.oauth.errors import ExchangeError, OAuthError
from services.identity.oauth.flows.account_linking import AccountLinking, ProviderAssertion, ProviderSignIn
from services.identity.oauth.flows.authorization_state import (
    STATE_LENGTH,
    AuthorizationState,
    AuthorizationStates,
    LinkRequest,
)
from services.identity.oauth.linked_accounts import ProviderIdentity
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.discovery import ResolvedProvider
from services.identity.oauth.providers.relying_party import RelyingParty, in_time, resolve_provider
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.sessions.session import Origin
from services.identity.users.users import Users

logger = logging.getLogger(__name__)
completed = Counter("trivet_oauth_callbacks_total", "Completed sign-ins at providers, by outcome.", ["outcome"])
BANNED = "You have been banned from this application. Please contact support if you believe this is an error."
MAX_CODE = 128
MAX_DESCRIPTION = 512
BARE_ORIGIN = re.compile("https?://[^/?#]+", re.IGNORECASE)
NAME_PARTS = ("firstName", "lastName")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The parameters of BeginOAuth: the provider, and the pages after the flow."""

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
    """The parameters of the provider's callback, and the state from the browser's cookie."""

    provider: str
    state: str = ""
    browser_state: str = ""
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""
    error_description: str = ""
    user_json: str = ""


@dataclass(frozen=True, slots=True)
class FlowResult:
    """The redirect, and the signed-in user unless the flow failed or linked an account."""

    redirect_url: str
    signed_in: ProviderSignIn | None = None
    error: str = ""


class RedirectFlow:
    """The redirect flow. `base_url` is the gateway's URL. `error_url` is the page after a flow that failed."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        relying_party: RelyingParty,
        states: AuthorizationStates,
        linking: AccountLinking,
        users: Users,
        rules: OAuthRules,
        base_url: str,
        error_url: str,
    ) -> None:
        self._providers = providers
        self._relying_party = relying_party
        self._states = states
        self._linking = linking
        self._users = users
        self._rules = rules
        self._base_url = base_url
        self._error_url = error_url

    async def begin(self, request: AuthorizationRequest) -> tuple[str, str]:
        """Start a flow; return the URL of the provider's page and the state.

        Raises NotFound (PROVIDER_NOT_FOUND, USER_NOT_FOUND) and Unavailable (PROVIDER_UNAVAILABLE).
        """
        ready = await resolve_provider(self._relying_party, self._providers.get(request.provider))
        saved = AuthorizationState(
            provider=request.provider,
            callback_url=request.callback_url or self._base_url,
            error_url=request.error_url,
            new_user_url=request.new_user_url,
            request_sign_up=request.request_sign_up,
            link=await self._link_of(request) if request.link_user_id else None,
        )
        state = await self._states.create(saved)
        page = self._relying_party.authorization_url(
            ready,
            state=state,
            nonce=saved.nonce,
            verifier=saved.verifier,
            scopes=request.scopes,
            login_hint=request.login_hint,
            extra=request.extra,
        )
        return page, state

    async def _link_of(self, request: AuthorizationRequest) -> LinkRequest:
        user = await self._users.find(request.link_user_id)
        if user is None:
            raise NotFound("USER_NOT_FOUND", "there is no such user")
        return LinkRequest(user.id, request.link_session_id, user.email)

    async def complete(self, callback: Callback, origin: Origin) -> FlowResult:
        """Finish a flow. It uses the state up even if it fails, unless the callback comes from another browser.

        Raises Unavailable if the database cannot be reached.
        """
        error_url = self._error_url
        try:
            saved = await self._take_state(callback)
            error_url = saved.error_url or error_url
            with in_time():
                assertion = await self._assertion(callback, saved)
            result = await self._finish(assertion, saved, origin)
        except _StateMismatchError as error:
            result = self._failed(error.error_url or error_url, OAuthError("state_mismatch"))
        except OAuthError as error:
            result = self._failed(error_url, error)
        except PermissionDenied as error:
            result = self._failed(error_url, OAuthError(error.reason, BANNED))
        completed.labels(result.error if result.error in COUNTED_CODES else "other" if result.error else "done").inc()
        return result

    async def _take_state(self, callback: Callback) -> AuthorizationState:
        if not callback.state:
            raise OAuthError("state_not_found")
        if len(callback.state) != STATE_LENGTH or not callback.state.isascii():
            raise OAuthError("state_mismatch")
        if callback.state != callback.browser_state:
            # Another browser: the state is not used up, so that the browser that started the flow can still finish it.
            found = await self._states.find(callback.state)
            raise _StateMismatchError(found.error_url if found else "")
        saved = await self._states.take(callback.state)
        if saved is None:
            raise OAuthError("state_mismatch")
        if saved.provider != callback.provider:  # the callback came from another provider: a mix-up attack
            raise _StateMismatchError(saved.error_url)
        return saved

    async def _assertion(self, callback: Callback, saved: AuthorizationState) -> ProviderAssertion:
        if callback.error:
            raise OAuthError(callback.error[:MAX_CODE], callback.error_description[:MAX_DESCRIPTION])
        if not callback.code:
            raise OAuthError("no_code")
        provider = self._providers.get(saved.provider)
        if provider is None:
            raise OAuthError("oauth_provider_not_found")
        try:
            ready = await self._relying_party.resolve(provider)
        except ExchangeError as error:
            logger.warning("provider %s cannot be reached: %s", provider.id, error)
            raise OAuthError("invalid_code") from None
        _check_issuer(ready, callback.iss)
        tokens = await self._relying_party.redeem(ready, callback.code, verifier=saved.verifier)
        name = _name_of(callback.user_json)
        profile, issuer = await self._relying_party.identify(
            ready, tokens, nonce=saved.nonce, iss=callback.iss, name=name
        )
        return ProviderAssertion(ProviderIdentity(provider.id, issuer, profile.account_id), profile, tokens)

    async def _finish(self, assertion: ProviderAssertion, saved: AuthorizationState, origin: Origin) -> FlowResult:
        if saved.link is not None:
            link = saved.link
            await self._linking.link(assertion, link.user_id, link.email, origin, session_id=link.session_id)
            return FlowResult(saved.callback_url)
        may_sign_up = self._rules.may_sign_up(saved.provider, requested=saved.request_sign_up)
        signed_in = await self._linking.sign_in(
            assertion, origin, may_sign_up=may_sign_up, callback_url=saved.callback_url
        )
        page = saved.new_user_url if signed_in.created and saved.new_user_url else saved.callback_url
        return FlowResult(page, signed_in)

    def _failed(self, error_url: str, error: OAuthError) -> FlowResult:
        parameters = {"error": error.code} | ({"error_description": error.description} if error.description else {})
        return FlowResult(with_query(error_url, parameters), error=error.code)


COUNTED_CODES = frozenset(
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
"""The errors that are counted by name. A provider can send any text."""


class _StateMismatchError(Exception):
    """The flow was started by another browser, or at another provider."""

    def __init__(self, error_url: str) -> None:
        super().__init__()
        self.error_url = error_url


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL or path with more query parameters before its fragment. The rest of the URL stays unchanged."""
    rest, mark, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    if BARE_ORIGIN.fullmatch(path):
        path += "/"
    return f"{path}?{'&'.join(filter(None, (query.removesuffix('&'), urlencode(parameters))))}{mark}{fragment}"


def _check_issuer(ready: ResolvedProvider, iss: str) -> None:
    """Raise OAuthError if the callback is another issuer's (RFC 9207)."""
    known = ready.provider.issuer if ready.provider.is_openid else ""
    if iss and known and iss != known:
        raise OAuthError("issuer_mismatch")
    if not iss and ready.sends_iss:
        raise OAuthError("issuer_missing")


def _name_of(user_json: str) -> str:
    """Return the name in the JSON that Apple posts at the first sign-in, empty if there is none."""
    try:
        name = json_text.parse(user_json or "{}").get("name") or {}
        return " ".join(part for key in NAME_PARTS if isinstance(part := name.get(key), str) and part)
    except (ValueError, TypeError, AttributeError):
        return ""
