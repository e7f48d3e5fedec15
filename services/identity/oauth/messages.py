"""Converts sign-ins at providers, linked accounts and their tokens to and from protobuf messages."""

import json

from runtime.clock import timestamp
from services.identity.messages import decode_id, decode_optional_id, optional_timestamp
from services.identity.oauth.flows.account_linking import ProviderSignIn
from services.identity.oauth.flows.id_token_sign_in import PresentedIdToken
from services.identity.oauth.flows.redirect_flow import AuthorizationRequest, Callback, FlowResult
from services.identity.oauth.linked_accounts import LinkedAccount
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.token_refresh import FreshTokens
from services.identity.sessions.messages import encode_session
from services.identity.users.messages import encode_user
from trivet.identity.v1 import account_service_pb2 as pb


def encode_account(account: LinkedAccount) -> pb.Account:
    return pb.Account(
        id=account.id,
        user_id=account.user_id,
        provider=account.provider,
        provider_account_id=account.account_id,
        scopes=account.scopes,
        create_time=timestamp(account.created_at),
        update_time=timestamp(account.updated_at),
    )


def decode_authorization_request(request: pb.BeginOAuthRequest) -> AuthorizationRequest:
    return AuthorizationRequest(
        provider=request.provider,
        callback_url=request.callback_url,
        new_user_url=request.new_user_callback_url,
        error_url=request.error_callback_url,
        scopes=request.scopes,
        request_sign_up=request.request_sign_up,
        login_hint=request.login_hint,
        extra=dict(request.additional_params),
        link_user_id=decode_optional_id(request.link_user_id),
        link_session_id=decode_id(request.link_session_id),
    )


def decode_callback(request: pb.CompleteOAuthRequest) -> Callback:
    return Callback(
        provider=request.provider,
        state=request.state,
        browser_state=request.browser_state,
        code=request.code,
        iss=request.issuer,
        error=request.error,
        error_description=request.error_description,
        user_json=request.user_json,
    )


def encode_flow_result(result: FlowResult) -> pb.CompleteOAuthResponse:
    message = pb.CompleteOAuthResponse(redirect_url=result.redirect_url, error=result.error)
    if result.signed_in is not None:
        message.user.CopyFrom(encode_user(result.signed_in.user))
        message.session.CopyFrom(encode_session(result.signed_in.opened.session))
        message.token, message.created = result.signed_in.opened.token, result.signed_in.created
    return message


def decode_id_token(provider: str, token: pb.IdToken, *, request_sign_up: bool = False) -> PresentedIdToken:
    return PresentedIdToken(
        provider,
        token.token,
        token.nonce,
        token.access_token,
        token.refresh_token,
        token.name,
        request_sign_up,
    )


def encode_id_token_sign_in(result: ProviderSignIn) -> pb.SignInWithIdTokenResponse:
    return pb.SignInWithIdTokenResponse(
        user=encode_user(result.user),
        session=encode_session(result.opened.session),
        token=result.opened.token,
        created=result.created,
    )


def encode_access_token(access: FreshTokens) -> pb.GetAccessTokenResponse:
    return pb.GetAccessTokenResponse(
        access_token=access.tokens.access_token,
        expire_time=optional_timestamp(access.tokens.access_expires_at),
        scopes=access.account.scopes,
        id_token=access.tokens.id_token,
    )


def encode_refreshed_tokens(access: FreshTokens) -> pb.RefreshAccessTokenResponse:
    return pb.RefreshAccessTokenResponse(
        access_token=access.tokens.access_token,
        refresh_token=access.tokens.refresh_token,
        expire_time=optional_timestamp(access.tokens.access_expires_at),
        refresh_expire_time=optional_timestamp(access.tokens.refresh_expires_at),
        scopes=access.account.scopes,
        id_token=access.tokens.id_token,
        account=encode_account(access.account),
    )


def encode_account_info(account: LinkedAccount, profile: Profile) -> pb.GetAccountInfoResponse:
    return pb.GetAccountInfoResponse(
        account=encode_account(account),
        name=profile.name,
        email=profile.email,
        email_verified=profile.email_verified,
        image=profile.image or "",
        profile_json=json.dumps(profile.claims, ensure_ascii=False),
    )
