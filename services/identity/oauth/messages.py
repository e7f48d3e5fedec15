"""Converts linked accounts and id tokens to and from protobuf messages."""

from runtime.clock import timestamp
from services.identity.oauth.flows.id_token_sign_in import PresentedIdToken
from services.identity.oauth.linked_accounts import LinkedAccount
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
