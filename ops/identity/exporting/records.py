"""Converts rows of users and accounts to Better Auth's records."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ops.identity.exporting.users import Row
from runtime.sealing import Sealer
from runtime.struct_codec import number
from services.identity.oauth.tokens import opened_tokens

Record = dict[str, Any]


def user_record(row: Row) -> Record:
    """Return a user with the columns of the admin plugin and the custom fields."""
    more = json.loads(row["additional"], parse_float=number) if row["additional"] else {}
    return more | {
        "id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "emailVerified": row["email_verified"],
        "image": row["image"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "role": row["role"],
        "banned": row["banned"],
        "banReason": row["ban_reason"],
        "banExpires": row["ban_expires"],
    }


def account_record(row: Row, sealer: Sealer | None) -> Record:
    """Return an account. With a sealer it includes the provider's tokens in the clear."""
    record = {
        "id": row["id"],
        "accountId": row["account_id"],
        "providerId": row["provider"],
        "userId": row["user_id"],
        "scope": row["scope"],
        "password": row["password"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }
    if sealer is None:
        return record
    tokens = opened_tokens(sealer, row)
    return record | {
        "accessToken": tokens.access_token or None,
        "refreshToken": tokens.refresh_token or None,
        "idToken": tokens.id_token or None,
        "accessTokenExpiresAt": tokens.access_expires_at,
        "refreshTokenExpiresAt": tokens.refresh_expires_at,
    }


def iso(time: datetime) -> str:
    """Return a time in Better Auth's format."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lines(records: Sequence[tuple[str, Record]]) -> str:
    """Return records as JSON lines, each with its model's name."""

    def plain(value: Any) -> str:
        assert isinstance(value, datetime), type(value)
        return iso(value)

    return "".join(
        json.dumps({"model": model, "data": record}, default=plain, ensure_ascii=False) + "\n"
        for model, record in records
    )
