"""AccountService: sign-in at providers, and linked accounts."""

from google.protobuf.empty_pb2 import Empty

from runtime.errors import PermissionDenied
from runtime.paging import Page, decode_token, encode_token, page_size
from runtime.rpc.actor import current_actor, subject
from services.identity.messages import Context, decode_cursor, decode_id
from services.identity.oauth.flows.id_token_sign_in import IdTokenSignIn
from services.identity.oauth.flows.redirect_flow import RedirectFlow
from services.identity.oauth.linked_accounts import LinkedAccount, LinkedAccounts
from services.identity.oauth.messages import (
    decode_authorization_request,
    decode_callback,
    decode_id_token,
    encode_access_token,
    encode_account,
    encode_account_info,
    encode_flow_result,
    encode_id_token_sign_in,
    encode_refreshed_tokens,
)
from services.identity.oauth.token_refresh import TokenRefresh
from services.identity.sessions.messages import decode_origin
from trivet.identity.v1 import account_service_pb2 as pb
from trivet.identity.v1.account_service_pb2_grpc import AccountServiceServicer

DEFAULT_PAGE_SIZE = 100


class AccountServicer(AccountServiceServicer):
    def __init__(
        self,
        redirect_flow: RedirectFlow,
        id_token_sign_in: IdTokenSignIn,
        linked: LinkedAccounts,
        token_refresh: TokenRefresh,
    ) -> None:
        self._redirect_flow = redirect_flow
        self._id_token_sign_in = id_token_sign_in
        self._linked = linked
        self._token_refresh = token_refresh

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        user_id = decode_id(subject(request.user_id))
        limit = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE)
        after = decode_cursor(decode_token(request.page_token, "accounts", user_id))
        page = Page(limit, encode_account)

        async def find(few: int, behind: LinkedAccount | None) -> list[LinkedAccount]:
            return await self._linked.list(user_id, few, (behind.created_at, behind.id) if behind else after)

        await page.read(find)
        last = page.next_after
        token = encode_token([last.created_at.isoformat(), last.id], "accounts", user_id) if last else ""
        return pb.ListAccountsResponse(accounts=page.messages, next_page_token=token)

    async def UnlinkAccount(self, request: pb.UnlinkAccountRequest, context: Context) -> Empty:
        user_id = decode_id(subject(request.user_id))
        actor = current_actor.get()
        session_id = decode_id(actor.session_id) if actor.user_id == user_id else None
        await self._linked.unlink(user_id, decode_id(request.account_id), session_id=session_id)
        return Empty()

    async def BeginOAuth(self, request: pb.BeginOAuthRequest, context: Context) -> pb.BeginOAuthResponse:
        url, state = await self._redirect_flow.begin(decode_authorization_request(request))
        return pb.BeginOAuthResponse(authorization_url=url, state=state)

    async def CompleteOAuth(self, request: pb.CompleteOAuthRequest, context: Context) -> pb.CompleteOAuthResponse:
        origin = decode_origin(request.origin)
        return encode_flow_result(await self._redirect_flow.complete(decode_callback(request), origin))

    async def SignInWithIdToken(
        self, request: pb.SignInWithIdTokenRequest, context: Context
    ) -> pb.SignInWithIdTokenResponse:
        token = decode_id_token(request.provider, request.id_token, request_sign_up=request.request_sign_up)
        signed_in = await self._id_token_sign_in.sign_in(token, decode_origin(request.origin))
        return encode_id_token_sign_in(signed_in)

    async def LinkWithIdToken(self, request: pb.LinkWithIdTokenRequest, context: Context) -> pb.LinkWithIdTokenResponse:
        user_id = _own(request.user_id)
        await self._id_token_sign_in.link(decode_id_token(request.provider, request.id_token), user_id)
        return pb.LinkWithIdTokenResponse()

    async def GetAccessToken(self, request: pb.GetAccessTokenRequest, context: Context) -> pb.GetAccessTokenResponse:
        access = await self._token_refresh.get(_own(request.user_id), decode_id(request.account_id))
        return encode_access_token(access)

    async def RefreshAccessToken(
        self, request: pb.RefreshAccessTokenRequest, context: Context
    ) -> pb.RefreshAccessTokenResponse:
        access = await self._token_refresh.refresh(_own(request.user_id), decode_id(request.account_id))
        return encode_refreshed_tokens(access)

    async def GetAccountInfo(self, request: pb.GetAccountInfoRequest, context: Context) -> pb.GetAccountInfoResponse:
        account, profile = await self._token_refresh.look_up(_own(request.user_id), decode_id(request.account_id))
        return encode_account_info(account, profile)


def _own(asked: str) -> str:
    """Return the id of the owner. Administrators cannot read the tokens of other users."""
    user_id = decode_id(subject(asked))
    actor = current_actor.get()
    if actor.is_person and actor.user_id != user_id:
        raise PermissionDenied("NOT_YOURS", "user_id names another user")
    return user_id
