"""How the parts of signing in at providers fit together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from runtime.clock import Clock, utc_now
from runtime.sealing import Sealer
from runtime.tasks import Tasks
from services.identity.email.links import BASE_PATH
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.oauth.flows.account_linking import AccountLinking, VerifyNew
from services.identity.oauth.flows.authorization_state import AuthorizationStates
from services.identity.oauth.flows.id_token_sign_in import IdTokenSignIn
from services.identity.oauth.flows.redirect_flow import RedirectFlow
from services.identity.oauth.linked_accounts import LinkedAccounts
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.discovery import Discovery
from services.identity.oauth.providers.provider_http import TOTAL_SECONDS, ProviderHttp
from services.identity.oauth.providers.relying_party import RelyingParty
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.oauth.token_refresh import TokenRefresh
from services.identity.outbox.audit import Audit
from services.identity.outbox.outbox import Outbox
from services.identity.sessions.sessions import Sessions
from services.identity.store.database import Database
from services.identity.store.leases import Leases
from services.identity.users.users import Users


@dataclass(frozen=True, slots=True)
class Store:
    """What the rest of identity gives: its database, and what is kept there."""

    database: Database
    users: Users
    sessions: Sessions
    verifications: OneTimeSecrets
    outbox: Outbox
    audit: Audit
    sealer: Sealer
    verify_new: VerifyNew | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What AccountService is made of."""

    oauth: RedirectFlow
    brought: IdTokenSignIn
    linked: LinkedAccounts
    access: TokenRefresh


@asynccontextmanager
async def open_oauth(
    store: Store,
    providers: Sequence[Provider],
    rules: OAuthRules,
    base_url: str,
    *,
    loopback: bool,
    error_url: str = "",
    grace: float = 0,
    seconds: float = TOTAL_SECONDS,
    now: Clock = utc_now,
) -> AsyncIterator[Parts]:
    """Open the way to the providers. `loopback` lets plain http through to this machine.

    `error_url` is where a failed sign-in ends that names no page of its own; the gateway's page if it is empty. At the
    end a token refresh under way has `grace` seconds: the provider may have replaced the only refresh token.
    """
    auth_url = base_url.rstrip("/") + BASE_PATH
    async with (
        _open_http(loopback=loopback, seconds=seconds) if providers else nullcontext(ProviderHttp.disabled()) as http,
        Tasks.draining("provider metadata", 0, limit=100) as metadata,
        Tasks.draining("token refreshes", grace) as refreshes,
    ):
        linked = LinkedAccounts(store.database, store.sealer, store.sessions, store.audit, now=now)
        relying_party = RelyingParty(
            http, Discovery(http, providers, metadata), auth_url, now=now, seconds=lambda: now().timestamp()
        )
        linking = AccountLinking(
            store.database,
            linked,
            store.sessions,
            store.outbox,
            store.audit,
            rules,
            verify_new=store.verify_new,
            now=now,
        )
        by_id = {provider.id: provider for provider in providers}
        oauth = RedirectFlow(
            by_id,
            relying_party,
            AuthorizationStates(store.database, store.verifications, store.sealer),
            linking,
            store.users,
            rules,
            base_url=base_url,
            error_url=error_url or f"{auth_url}/error",
        )
        brought = IdTokenSignIn(by_id, relying_party, linking, store.users, rules)
        access = TokenRefresh(linked, relying_party, Leases(store.database, now=now), by_id, refreshes, now=now)
        yield Parts(oauth, brought, linked, access)


def _open_http(*, loopback: bool, seconds: float) -> AbstractAsyncContextManager[ProviderHttp]:
    from services.identity.oauth.providers.http_client import open_provider_http  # costs 8 MB

    return open_provider_http(loopback=loopback, seconds=seconds)
