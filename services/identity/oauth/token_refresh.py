"""Returns the provider's tokens of an account, and refreshes them when they expire, in single flight."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition, ServiceError, Unauthenticated, Unavailable
from services.identity.oauth.errors import ExchangeError
from services.identity.oauth.linked_accounts import AccountTokens, LinkedAccount, LinkedAccounts
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.providers.relying_party import RelyingParty, in_time
from services.identity.oauth.tokens import Tokens
from services.identity.store.leases import Leases
from trivet.client.deadline import within

logger = logging.getLogger(__name__)
SOON = timedelta(seconds=5)
LEASE_WAIT_SECONDS = 4.0
REFRESH_SECONDS = 10.0
"""The time limit of a refresh, with the wait for the lease. It can outlive its caller, and is shorter than a lease."""


@dataclass(frozen=True, slots=True)
class FreshTokens:
    """An account and its valid tokens."""

    account: LinkedAccount
    tokens: Tokens


class TokenRefresh:
    """The tokens of accounts. Every method raises NotFound (ACCOUNT_NOT_FOUND)."""

    def __init__(
        self,
        *,
        linked: LinkedAccounts,
        relying_party: RelyingParty,
        leases: Leases,
        providers: Mapping[str, Provider],
        tasks: Tasks,
        now: Clock = utc_now,
    ) -> None:
        self._linked = linked
        self._relying_party = relying_party
        self._leases = leases
        self._providers = providers
        self._refreshing: dict[str, asyncio.Task[Tokens | ServiceError]] = {}
        self._tasks = tasks
        self._now = now

    async def get(self, user_id: str, row_id: str) -> FreshTokens:
        """Return an account's tokens, refreshed if the access token expires soon and there is a refresh token.

        Raises FailedPrecondition (PROVIDER_NOT_SUPPORTED, FAILED_TO_GET_ACCESS_TOKEN).
        """
        kept = await self._linked.find(user_id, row_id)
        provider = self._provider(kept)
        if not kept.has_refresh_token or not self._expires_soon(kept.tokens):
            return FreshTokens(kept.account, kept.tokens)
        try:
            return FreshTokens(kept.account, await self._refreshed(user_id, kept, provider))
        except _NoTokensError:
            raise FailedPrecondition("FAILED_TO_GET_ACCESS_TOKEN", "Failed to get a valid access token") from None

    async def refresh(self, user_id: str, row_id: str) -> FreshTokens:
        """Refresh an account's tokens now and return them.

        Raises FailedPrecondition (PROVIDER_NOT_SUPPORTED, REFRESH_TOKEN_NOT_FOUND, FAILED_TO_REFRESH_ACCESS_TOKEN).
        """
        kept = await self._linked.find(user_id, row_id)
        provider = self._provider(kept)
        if not kept.has_refresh_token:
            raise FailedPrecondition("REFRESH_TOKEN_NOT_FOUND", "Refresh token not found")
        try:
            return FreshTokens(kept.account, await self._refreshed(user_id, kept, provider))
        except _NoTokensError:
            raise FailedPrecondition("FAILED_TO_REFRESH_ACCESS_TOKEN", "Failed to refresh access token") from None

    async def look_up(self, user_id: str, row_id: str) -> tuple[LinkedAccount, Profile]:
        """Return an account and the user's current profile at its provider.

        Raises FailedPrecondition (PROVIDER_NOT_CONFIGURED, ACCESS_TOKEN_NOT_FOUND, FAILED_TO_GET_ACCESS_TOKEN) and
        Unauthenticated (FAILED_TO_GET_USER_INFO).
        """
        kept = await self._linked.find(user_id, row_id)
        provider = self._providers.get(kept.account.provider)
        if provider is None:
            raise FailedPrecondition(
                "PROVIDER_NOT_CONFIGURED", "Account is not associated with a configured social provider."
            )
        access = await self.get(user_id, row_id)
        if not access.tokens.access_token:
            raise FailedPrecondition("ACCESS_TOKEN_NOT_FOUND", "Access token not found")
        try:
            with in_time():
                profile = await self._relying_party.look_up(provider, access.tokens)
        except ExchangeError as error:
            logger.warning("provider %s did not identify the user: %s", provider.id, error)
            profile = None
        if profile is None or profile.account_id != access.account.account_id:
            raise Unauthenticated("FAILED_TO_GET_USER_INFO", "Failed to get user info")
        return access.account, profile

    def _provider(self, kept: AccountTokens) -> Provider:
        provider = self._providers.get(kept.account.provider)
        if provider is None:
            raise FailedPrecondition("PROVIDER_NOT_SUPPORTED", f"Provider {kept.account.provider} is not supported.")
        return provider

    def _expires_soon(self, tokens: Tokens) -> bool:
        return tokens.access_expires_at is not None and tokens.access_expires_at - self._now() < SOON

    async def _refreshed(self, user_id: str, kept: AccountTokens, provider: Provider) -> Tokens:
        """Return new tokens. Concurrent callers share one refresh. Raises _NoTokensError, NotFound and Unavailable."""
        row_id = kept.account.id
        task = self._refreshing.get(row_id)
        if task is None:
            try:
                # In a background task: a cancelled caller must not lose the only copy of a new refresh token.
                task = self._tasks.start(self._settled(user_id, kept, provider))
            except TooManyTasksError:
                raise Unavailable("STORE_BUSY", "too many tokens are being refreshed: retry later") from None
            self._refreshing[row_id] = task
            task.add_done_callback(lambda _: self._refreshing.pop(row_id, None))
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _settled(self, user_id: str, kept: AccountTokens, provider: Provider) -> Tokens | ServiceError:
        try:
            with within(REFRESH_SECONDS):
                return await self._refresh(user_id, kept, provider)
        except ServiceError as error:  # returned, because the callers that wait handle it
            return error

    async def _refresh(self, user_id: str, seen: AccountTokens, provider: Provider) -> Tokens:
        async with self._leases.hold(f"refresh:{seen.account.id}", wait=LEASE_WAIT_SECONDS):
            kept = await self._linked.find(user_id, seen.account.id)
            # Another process was first. With rotation, a refresh token that is used twice revokes all tokens.
            if kept.tokens.access_token != seen.tokens.access_token:
                return kept.tokens
            try:
                tokens = await self._relying_party.refresh(provider, kept.tokens.refresh_token)
            except ExchangeError as error:
                logger.warning("provider %s refused to refresh a token: %s", provider.id, error)
                raise _NoTokensError from None
            return await self._linked.store_refreshed_tokens(kept.account.id, tokens)


class _NoTokensError(FailedPrecondition):
    """The provider refused to refresh the tokens."""

    def __init__(self) -> None:
        super().__init__("NO_TOKENS", "the provider refused to refresh the tokens")
