"""The caller's linked accounts, and their provider tokens."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.json_encoding import date
from gateway.auth.protocol.bodies import JSON, query_of, read_body
from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed, fresh, signed_in
from gateway.auth.protocol.refusals import VALIDATION_ERROR, ErrorCode, Refusal, refuse
from gateway.auth.protocol.validation import Anything
from gateway.http.description import DONE, Description, Done
from gateway.paging import read_pages
from trivet.client import reason_of
from trivet.identity.v1.account_service_pb2 import (
    Account,
    GetAccessTokenRequest,
    GetAccountInfoRequest,
    ListAccountsRequest,
    RefreshAccessTokenRequest,
    UnlinkAccountRequest,
)
from trivet.identity.v1.account_service_pb2_grpc import AccountServiceStub

MAX_LISTED = 1_000
SELECTIONS: Mapping[str, Callable[[object], bool]] = {
    "accountId": lambda value: isinstance(value, str),
    "useAccountCookie": lambda value: value is True,
}
"""The members that select an account, each with a check of its value."""

ACCOUNT_NOT_FOUND = ErrorCode("ACCOUNT_NOT_FOUND", 400, "Account not found")
FAILED_TO_UNLINK_LAST_ACCOUNT = ErrorCode("FAILED_TO_UNLINK_LAST_ACCOUNT", 400, "You can't unlink your last account")


class LinkedAccount(msgspec.Struct, rename="camel"):
    """One way to sign in. `accountId` is the user's id at the provider."""

    scopes: list[str]
    id: str
    created_at: str
    updated_at: str
    provider_id: str
    account_id: str
    user_id: str


@Description(answers=(list[LinkedAccount],), calls=("AccountService.ListAccounts",))
async def list_accounts(context: AuthContext, _: Anything) -> Response:
    """List the caller's linked accounts, oldest first. The answer has a thousand at most."""
    accounts = context.deps.backends.accounts
    with context.caller.acting():
        found = await read_pages(
            lambda token: accounts.ListAccounts(ListAccountsRequest(page_size=MAX_LISTED, page_token=token)),
            lambda page: page.accounts,
            most=MAX_LISTED,
        )
    return context.json([_object(account) for account in found])


def _object(account: Account) -> LinkedAccount:
    return LinkedAccount(
        scopes=list(account.scopes),
        id=account.id,
        created_at=date(account.create_time),
        updated_at=date(account.update_time),
        provider_id=account.provider,
        account_id=account.provider_account_id,
        user_id=account.user_id,
    )


class UnlinkAccount(msgspec.Struct):
    """The body of /unlink-account: the account's own id."""

    account_id: str = msgspec.field(name="accountId")


@Description(answers=(Done,), calls=("AccountService.UnlinkAccount",))
async def unlink_account(context: AuthContext, body: UnlinkAccount) -> Response:
    """Unlink an account. The last account cannot be unlinked."""
    accounts = context.deps.backends.accounts
    with context.caller.acting():
        try:
            await accounts.UnlinkAccount(UnlinkAccountRequest(account_id=body.account_id))
        except grpc.aio.AioRpcError as error:
            if reason_of(error) == "ACCOUNT_NOT_FOUND" and await _has_one(accounts):
                raise refuse(FAILED_TO_UNLINK_LAST_ACCOUNT) from None
            raise
    return context.json(DONE)


async def _has_one(accounts: AccountServiceStub) -> bool:
    return len((await accounts.ListAccounts(ListAccountsRequest(page_size=2))).accounts) == 1


async def selecting(context: AuthContext) -> None:
    """Need a session that identity confirms, and a selected account.

    The selection is checked first. A refusal for the session has no body on these routes.
    """
    await _selected(context)
    try:
        await confirmed(context)
    except Refusal as refusal:
        raise refusal.without_body() from None


async def _selected(context: AuthContext) -> str | None:
    """Return the id of the selected account, None for the account in the original's account cookie.

    That cookie is never set here. Unknown members are refused, unlike elsewhere: clients up to 1.6 send `providerId`.
    """
    is_query = context.request.method == "GET"
    given = query_of(context.request) if is_query else await read_body(context.request, (JSON,))
    named = given if isinstance(given, dict) and isinstance(given.get("userId", ""), str) else {}
    ways = [way for way, is_taken in SELECTIONS.items() if is_taken(named.get(way))]
    unknown = [f'"{name}"' for name in named if name not in (*ways, "userId")]
    if len(ways) == 1 and not unknown:
        return str(named["accountId"]) if ways == ["accountId"] else None
    # If only the unknown members are wrong, they are named.
    issue = f"Unrecognized key{'s' * (len(unknown) > 1)}: {', '.join(unknown)}" if len(ways) == 1 else "Invalid input"
    raise refuse(VALIDATION_ERROR, f"[{'query' if is_query else 'body'}] {issue}")


async def _account_id(context: AuthContext) -> str:
    selected = await _selected(context)
    if not selected:
        raise refuse(ACCOUNT_NOT_FOUND)
    return selected


class Selection(msgspec.Struct, rename="camel"):
    """Which account is meant: the account's own id, as list-accounts gives it."""

    account_id: str
    user_id: str | UnsetType = UNSET


class AccessToken(msgspec.Struct, rename="camel", kw_only=True):
    """A provider's access token."""

    access_token: str
    access_token_expires_at: str | UnsetType = UNSET
    scopes: list[str]
    id_token: str | UnsetType = UNSET


NO_SESSION = {401: "There is no session. The answer has no body."}


@Description(answers=(AccessToken,), body=Selection, calls=("AccountService.GetAccessToken",), without_body=NO_SESSION)
async def get_access_token(context: AuthContext, _: Anything) -> Response:
    """Get a provider's access token. It is refreshed first if it is about to expire."""
    account_id = await _account_id(context)
    with context.caller.acting():
        answer = await context.deps.backends.accounts.GetAccessToken(GetAccessTokenRequest(account_id=account_id))
    return context.json(
        AccessToken(
            access_token=answer.access_token,
            access_token_expires_at=date(answer.expire_time) if answer.HasField("expire_time") else UNSET,
            scopes=list(answer.scopes),
            id_token=answer.id_token or UNSET,
        )
    )


class RefreshedTokens(msgspec.Struct, rename="camel", kw_only=True):
    """A provider's new tokens."""

    access_token: str
    refresh_token: str
    access_token_expires_at: str | UnsetType = UNSET
    refresh_token_expires_at: str | None
    scope: str | None
    id_token: str | None
    provider_id: str
    account_id: str


@Description(
    answers=(RefreshedTokens,), body=Selection, calls=("AccountService.RefreshAccessToken",), without_body=NO_SESSION
)
async def refresh_token(context: AuthContext, _: Anything) -> Response:
    """Refresh a provider's tokens."""
    account_id = await _account_id(context)
    with context.caller.acting():
        answer = await context.deps.backends.accounts.RefreshAccessToken(
            RefreshAccessTokenRequest(account_id=account_id)
        )
    expires = answer.refresh_expire_time
    return context.json(
        RefreshedTokens(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            access_token_expires_at=date(answer.expire_time) if answer.HasField("expire_time") else UNSET,
            refresh_token_expires_at=date(expires) if answer.HasField("refresh_expire_time") else None,
            scope=",".join(answer.scopes) or None,
            id_token=answer.id_token or None,
            provider_id=answer.account.provider,
            account_id=answer.account.id,
        )
    )


class ProviderUser(msgspec.Struct, rename="camel"):
    """A user's profile at the provider."""

    name: str
    email: str | None
    image: str | None
    email_verified: bool


class ProviderAccount(msgspec.Struct, rename="camel"):
    """The selected account. `accountId` is the user's id at the provider."""

    id: str
    provider_id: str
    account_id: str


class AccountInfo(msgspec.Struct):
    """The profile that the provider returns now. `data` is its whole answer, unchanged."""

    user: ProviderUser
    data: dict[str, Any]
    account: ProviderAccount


@Description(
    answers=(AccountInfo,),
    query=Selection,
    calls=("AccountService.GetAccountInfo",),
    without_body=NO_SESSION,
)
async def account_info(context: AuthContext, _: Anything) -> Response:
    """Read the user's profile at the provider."""
    account_id = await _account_id(context)
    with context.caller.acting():
        answer = await context.deps.backends.accounts.GetAccountInfo(GetAccountInfoRequest(account_id=account_id))
    user = ProviderUser(
        name=answer.name,
        email=answer.email or None,
        image=answer.image or None,
        email_verified=answer.email_verified,
    )
    account = ProviderAccount(
        id=answer.account.id, provider_id=answer.account.provider, account_id=answer.account.provider_account_id
    )
    return context.json(AccountInfo(user=user, data=json.loads(answer.profile_json or "{}"), account=account))


FEATURE = Feature(
    endpoints=(
        Endpoint("GET", "/list-accounts", list_accounts, Anything, signed_in),
        Endpoint("POST", "/unlink-account", unlink_account, UnlinkAccount, fresh),
        Endpoint("POST", "/get-access-token", get_access_token, Anything, selecting),
        Endpoint("POST", "/refresh-token", refresh_token, Anything, selecting),
        Endpoint("GET", "/account-info", account_info, Anything, selecting),
    ),
    error_codes={
        "ACCESS_TOKEN_NOT_FOUND": ErrorCode("ACCESS_TOKEN_NOT_FOUND", 400, "Access token not found"),
        "ACCOUNT_NOT_FOUND": ACCOUNT_NOT_FOUND,
        "FAILED_TO_GET_ACCESS_TOKEN": ErrorCode(
            "FAILED_TO_GET_ACCESS_TOKEN", 400, "Failed to get a valid access token"
        ),
        "FAILED_TO_REFRESH_ACCESS_TOKEN": ErrorCode(
            "FAILED_TO_REFRESH_ACCESS_TOKEN", 400, "Failed to refresh access token"
        ),
        "FAILED_TO_UNLINK_LAST_ACCOUNT": FAILED_TO_UNLINK_LAST_ACCOUNT,
        "PROVIDER_NOT_CONFIGURED": ErrorCode(
            "PROVIDER_NOT_CONFIGURED", 400, "Account is not associated with a configured social provider."
        ),
        "PROVIDER_NOT_SUPPORTED": ErrorCode("PROVIDER_NOT_SUPPORTED", 400, ""),
        "REFRESH_TOKEN_NOT_FOUND": ErrorCode("REFRESH_TOKEN_NOT_FOUND", 400, "Refresh token not found"),
    },
)
