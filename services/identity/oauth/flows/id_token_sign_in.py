"""Sign-in and linking with an id token that an application received directly from the provider."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.errors import Aborted, AlreadyExists, NotFound, Unauthenticated
from services.identity.oauth.errors import BadTokenError, ExchangeError, OAuthError
from services.identity.oauth.flows.account_linking import AccountLinking, ProviderAssertion, ProviderSignIn
from services.identity.oauth.linked_accounts import ProviderIdentity
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.relying_party import RelyingParty, in_time, resolve_provider
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.oauth.tokens import MAX_LENGTH, Tokens
from services.identity.sessions.session import Origin
from services.identity.users.users import Users

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PresentedIdToken:
    """An id token that an application received directly from the provider, and the data that came with it."""

    provider: str
    token: str = field(repr=False)
    nonce: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    name: str = ""
    request_sign_up: bool = False


class IdTokenSignIn:
    """Signs users in, and links accounts, with an id token.

    Both methods raise NotFound (PROVIDER_NOT_FOUND, ID_TOKEN_NOT_SUPPORTED), Unavailable (PROVIDER_UNAVAILABLE) and
    Unauthenticated (INVALID_ID_TOKEN, FAILED_TO_GET_USER_INFO, USER_EMAIL_NOT_FOUND).
    """

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        relying_party: RelyingParty,
        linking: AccountLinking,
        users: Users,
        rules: OAuthRules,
    ) -> None:
        self._providers = providers
        self._relying_party = relying_party
        self._linking = linking
        self._users = users
        self._rules = rules

    async def sign_in(self, presented: PresentedIdToken, origin: Origin) -> ProviderSignIn:
        """Open a session for the user whom an id token identifies.

        Raises Unauthenticated (OAUTH_LINK_ERROR) as well, and PermissionDenied (BANNED_USER).
        """
        assertion = await self._assertion(presented)
        may_sign_up = self._rules.may_sign_up(presented.provider, requested=presented.request_sign_up)
        try:
            return await self._linking.sign_in(assertion, origin, may_sign_up=may_sign_up)
        except OAuthError as error:
            raise Unauthenticated("OAUTH_LINK_ERROR", error.code.replace("_", " ")) from None

    async def link(self, presented: PresentedIdToken, user_id: str) -> None:
        """Link the identity in an id token to a user.

        Raises AlreadyExists (SOCIAL_ACCOUNT_ALREADY_LINKED) as well, Unauthenticated (LINKING_NOT_ALLOWED,
        LINKING_DIFFERENT_EMAILS_NOT_ALLOWED) and Aborted (LINKING_FAILED).
        """
        assertion = await self._assertion(presented)
        owner = await self._linking.owner(assertion.identity)
        if owner is not None and owner != user_id:
            raise _already_linked()
        if owner is None:
            await self._check_link(assertion, user_id)
        try:
            await self._linking.link(assertion, user_id, None, Origin())
        except OAuthError as error:
            if error.code == "account_already_linked_to_different_user":
                raise _already_linked() from None
            raise Aborted("LINKING_FAILED", "Account not linked - unable to create account") from None

    async def _check_link(self, assertion: ProviderAssertion, user_id: str) -> None:
        user = await self._users.find(user_id)
        if user is None or not self._linking.has_verified_email(assertion):
            raise Unauthenticated("LINKING_NOT_ALLOWED", "Account not linked - linking not allowed")
        if not self._linking.allows_email(assertion, user.email):
            raise Unauthenticated(
                "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED", "Account not linked - different emails not allowed"
            )

    async def _assertion(self, presented: PresentedIdToken) -> ProviderAssertion:
        ready = await resolve_provider(self._relying_party, self._providers.get(presented.provider))
        if not ready.provider.is_openid:
            raise NotFound("ID_TOKEN_NOT_SUPPORTED", "id_token not supported")
        try:
            with in_time():
                profile, issuer = await self._relying_party.identify_by_id_token(
                    ready,
                    presented.token,
                    nonce=presented.nonce,
                    access_token=presented.access_token,
                    name=presented.name,
                )
        except (BadTokenError, ExchangeError) as error:
            logger.warning("rejected an id token of provider %s: %s", presented.provider, error)
            raise Unauthenticated("INVALID_ID_TOKEN", "Invalid token") from None
        except OAuthError:
            raise Unauthenticated("FAILED_TO_GET_USER_INFO", "Failed to get user info") from None
        if not profile.email:
            raise Unauthenticated("USER_EMAIL_NOT_FOUND", "User email not found")
        tokens = Tokens(presented.access_token[:MAX_LENGTH], presented.refresh_token[:MAX_LENGTH], presented.token)
        return ProviderAssertion(ProviderIdentity(presented.provider, issuer, profile.account_id), profile, tokens)


def _already_linked() -> AlreadyExists:
    return AlreadyExists("SOCIAL_ACCOUNT_ALREADY_LINKED", "Social account already linked")
