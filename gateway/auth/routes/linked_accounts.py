"""The accounts that are linked to somebody, and the tokens that their providers gave."""

import json
from collections.abc import Callable, Mapping

import msgspec
from starlette.responses import Response

from gateway.api.json_encoding import date
from gateway.auth.protocol.bodies import JSON, query_of, read_body
from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.guards import confirmed
from gateway.auth.protocol.refusals import Refusal
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes.provider_refusals import provider_refusal, provider_refusals
from gateway.paging import whole
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
"""The two ways to name an account, and what each takes."""


async def list_accounts(visit: Visit, _: Anything) -> Response:
    """Answer the caller's accounts, oldest first, the first thousand if there are more."""
    accounts = visit.deps.backends.accounts
    with visit.known.acting():
        found = await whole(
            lambda token: accounts.ListAccounts(ListAccountsRequest(page_size=MAX_LISTED, page_token=token)),
            lambda page: page.accounts,
            most=MAX_LISTED,
        )
    return visit.json([_object(account) for account in found])


def _object(account: Account) -> dict[str, object]:
    return {
        "scopes": list(account.scopes),
        "id": account.id,
        "createdAt": date(account.create_time),
        "updatedAt": date(account.update_time),
        "providerId": account.provider,
        "accountId": account.provider_account_id,
        "userId": account.user_id,
    }


class UnlinkAccount(msgspec.Struct):
    """The body of /unlink-account: the account's own id."""

    account_id: str = msgspec.field(name="accountId")


async def unlink_account(visit: Visit, body: UnlinkAccount) -> Response:
    """Remove an account. Who has one alone is told that it stays, whichever account they named."""
    accounts = visit.deps.backends.accounts
    with visit.known.acting():
        try:
            with provider_refusals():
                await accounts.UnlinkAccount(UnlinkAccountRequest(account_id=body.account_id))
        except Refusal as refusal:
            if refusal.code == "ACCOUNT_NOT_FOUND" and await _has_one(accounts):
                raise provider_refusal("FAILED_TO_UNLINK_LAST_ACCOUNT") from None
            raise
    return visit.json({"status": True})


async def _has_one(accounts: AccountServiceStub) -> bool:
    return len((await accounts.ListAccounts(ListAccountsRequest(page_size=2))).accounts) == 1


async def selecting(visit: Visit) -> None:
    """Let in whoever has a session that identity confirms and names one account. Raises Refusal.

    A refusal to strangers has no body here, and what is wrong with the naming is said before.
    """
    await _selected(visit)
    try:
        await confirmed(visit)
    except Refusal as refusal:
        raise refusal.without_body() from None


async def _selected(visit: Visit) -> str | None:
    """Return the id of the account that is asked for, None for the one in a cookie that we never set.

    Unlike elsewhere, what is unknown is refused: `providerId`, say, by which clients up to 1.6 name an account.
    """
    is_query = visit.request.method == "GET"
    given = query_of(visit.request) if is_query else await read_body(visit.request, (JSON,))
    named = given if isinstance(given, dict) and isinstance(given.get("userId", ""), str) else {}
    ways = [way for way, is_taken in SELECTIONS.items() if is_taken(named.get(way))]
    unknown = [f'"{name}"' for name in named if name not in (*ways, "userId")]
    if len(ways) == 1 and not unknown:
        return str(named["accountId"]) if ways == ["accountId"] else None
    # Where one way would do but for what is unknown, that is named.
    said = f"Unrecognized key{'s' * (len(unknown) > 1)}: {', '.join(unknown)}" if len(ways) == 1 else "Invalid input"
    raise Refusal(400, f"[{'query' if is_query else 'body'}] {said}", "VALIDATION_ERROR")


async def _account_id(visit: Visit) -> str:
    selected = await _selected(visit)
    if not selected:
        raise Refusal(400, "Account not found", "ACCOUNT_NOT_FOUND")
    return selected


async def get_access_token(visit: Visit, _: Anything) -> Response:
    """Answer an account's access token, refreshed if it is about to expire."""
    account_id = await _account_id(visit)
    with provider_refusals(), visit.known.acting():
        answer = await visit.deps.backends.accounts.GetAccessToken(GetAccessTokenRequest(account_id=account_id))
    told: dict[str, object] = {"accessToken": answer.access_token}
    if answer.HasField("expire_time"):
        told["accessTokenExpiresAt"] = date(answer.expire_time)
    told["scopes"] = list(answer.scopes)
    if answer.id_token:
        told["idToken"] = answer.id_token
    return visit.json(told)


async def refresh_token(visit: Visit, _: Anything) -> Response:
    """Refresh an account's tokens and answer them."""
    account_id = await _account_id(visit)
    with provider_refusals(), visit.known.acting():
        answer = await visit.deps.backends.accounts.RefreshAccessToken(RefreshAccessTokenRequest(account_id=account_id))
    told: dict[str, object] = {"accessToken": answer.access_token, "refreshToken": answer.refresh_token}
    if answer.HasField("expire_time"):
        told["accessTokenExpiresAt"] = date(answer.expire_time)
    expires = answer.refresh_expire_time
    return visit.json(
        told
        | {
            "refreshTokenExpiresAt": date(expires) if answer.HasField("refresh_expire_time") else None,
            "scope": ",".join(answer.scopes) or None,
            "idToken": answer.id_token or None,
            "providerId": answer.account.provider,
            "accountId": answer.account.id,
        }
    )


async def account_info(visit: Visit, _: Anything) -> Response:
    """Answer what the provider says of the person now."""
    account_id = await _account_id(visit)
    with provider_refusals(), visit.known.acting():
        answer = await visit.deps.backends.accounts.GetAccountInfo(GetAccountInfoRequest(account_id=account_id))
    user = {
        "name": answer.name,
        "email": answer.email or None,
        "image": answer.image or None,
        "emailVerified": answer.email_verified,
    }
    account = {
        "id": answer.account.id,
        "providerId": answer.account.provider,
        "accountId": answer.account.provider_account_id,
    }
    return visit.json({"user": user, "data": json.loads(answer.profile_json or "{}"), "account": account})
