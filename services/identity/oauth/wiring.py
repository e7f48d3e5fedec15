"""Builds sign-in at providers, and serves AccountService."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.background.tasks import Tasks
from runtime.rpc.server import Server
from runtime.sealing import Sealer
from services.identity.oauth.config import OAuthConfig
from services.identity.oauth.flows.account_linking import AccountLinking, VerifyNew
from services.identity.oauth.flows.authorization_state import AuthorizationStates
from services.identity.oauth.flows.id_token_sign_in import IdTokenSignIn
from services.identity.oauth.flows.redirect_flow import RedirectFlow
from services.identity.oauth.linked_accounts import LinkedAccounts
from services.identity.oauth.providers.discovery import Discovery
from services.identity.oauth.providers.relying_party import RelyingParty
from services.identity.oauth.servicer import AccountServicer
from services.identity.oauth.token_refresh import TokenRefresh
from services.identity.store.leases import Leases
from services.identity.stores import Stores
from trivet.identity.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """The use cases of AccountService."""

    redirect_flow: RedirectFlow
    id_token_sign_in: IdTokenSignIn
    linked_accounts: LinkedAccounts
    token_refresh: TokenRefresh


@asynccontextmanager
async def open_oauth(
    stores: Stores, sealer: Sealer, config: OAuthConfig, *, verify_new: VerifyNew | None = None
) -> AsyncIterator[OAuth]:
    """Open the HTTP client and the background tasks of the providers."""
    async with (
        config.open_http() as http,
        Tasks.draining("provider metadata", 0, limit=100) as metadata,
        Tasks.draining("token refreshes", config.grace_seconds) as refreshes,
    ):
        discovery = Discovery(http, config.providers, metadata)
        relying_party = RelyingParty(
            http, discovery, config.auth_url, now=stores.now, seconds=lambda: stores.now().timestamp()
        )
        yield _build(stores, sealer, config, relying_party, refreshes, verify_new)


def _build(
    stores: Stores,
    sealer: Sealer,
    config: OAuthConfig,
    relying_party: RelyingParty,
    refreshes: Tasks,
    verify_new: VerifyNew | None,
) -> OAuth:
    providers, rules = config.by_id, config.rules
    linked = LinkedAccounts(stores, sealer)
    linking = AccountLinking(stores, linked=linked, rules=rules, verify_new=verify_new)
    return OAuth(
        redirect_flow=RedirectFlow(
            providers=providers,
            relying_party=relying_party,
            states=AuthorizationStates(stores.database, stores.one_time_secrets, sealer),
            linking=linking,
            users=stores.users,
            rules=rules,
            base_url=config.base_url,
            error_url=config.error_url or f"{config.auth_url}/error",
        ),
        id_token_sign_in=IdTokenSignIn(
            providers=providers, relying_party=relying_party, linking=linking, users=stores.users, rules=rules
        ),
        linked_accounts=linked,
        token_refresh=TokenRefresh(
            providers=providers,
            relying_party=relying_party,
            linked=linked,
            leases=Leases(stores.database, now=stores.now),
            tasks=refreshes,
            now=stores.now,
        ),
    )


def add_accounts(server: Server, oauth: OAuth) -> None:
    servicer = AccountServicer(oauth.redirect_flow, oauth.id_token_sign_in, oauth.linked_accounts, oauth.token_refresh)
    server.add("trivet.identity.v1.AccountService", add_AccountServiceServicer_to_server, servicer)
