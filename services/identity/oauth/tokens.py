"""A provider's tokens: parsed from its token endpoint, and sealed in the columns of an account."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from runtime.sealing import BrokenSealError, Sealer

MAX_LENGTH = 32_768
"""The maximum length of a token. Sealed, it fits the smallest text column of all engines."""

MAX_SECONDS = 10 * 365 * 86_400
SEALED = ("access_token", "refresh_token", "id_token")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A provider's tokens. Empty or None if the provider sent none."""

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()

    def over(self, older: "Tokens") -> "Tokens":
        """Return these tokens, completed by older ones. The scopes are those of the older ones."""
        return replace(
            self,
            access_token=self.access_token or older.access_token,
            refresh_token=self.refresh_token or older.refresh_token,
            id_token=self.id_token or older.id_token,
            access_expires_at=self.access_expires_at if self.access_token else older.access_expires_at,
            refresh_expires_at=self.refresh_expires_at or older.refresh_expires_at,
            scopes=older.scopes,
        )


def read_tokens(answer: Any, now: datetime) -> Tokens | None:
    """Return the tokens in a response of a token endpoint (RFC 6749, 5.1); None for an error or another response."""
    if not isinstance(answer, dict) or "error" in answer:
        return None
    access, refresh, proof = (answer.get(name) for name in SEALED)
    if not isinstance(access, str) or not access:
        return None
    refresh, proof = (each if isinstance(each, str) else "" for each in (refresh, proof))
    if max(map(len, (access, refresh, proof))) > MAX_LENGTH:
        return None
    return Tokens(
        access,
        refresh,
        proof,
        _after(now, answer.get("expires_in")),
        _after(now, answer.get("refresh_token_expires_in")),
        _scopes(answer.get("scope")),
    )


def _after(now: datetime, seconds: object) -> datetime | None:
    if isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 12:
        seconds = int(seconds)  # some providers send numbers as strings
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < MAX_SECONDS:
        return None
    return now + timedelta(seconds=int(seconds))


def _scopes(scope: object) -> tuple[str, ...]:
    """Return the granted scopes. RFC 6749 has a string with spaces; some providers send a list."""
    words = scope.split() if isinstance(scope, str) else scope if isinstance(scope, list) else []
    # GitHub separates scopes by commas, as our column does.
    return tuple(part for word in words if isinstance(word, str) for part in word.split(",") if part.strip())


def sealed_columns(sealer: Sealer, account_id: str, tokens: Tokens) -> dict[str, Any]:
    """Return the token columns of an account. Each token is sealed for its row and column only."""
    values = {name: getattr(tokens, name) for name in SEALED}
    columns: dict[str, Any] = {
        name: sealer.seal(value, purpose(account_id, name)) if value else None for name, value in values.items()
    }
    return columns | {
        "access_token_expires_at": tokens.access_expires_at,
        "refresh_token_expires_at": tokens.refresh_expires_at,
    }


def opened_tokens(sealer: Sealer, row: RowMapping) -> Tokens:
    """Return the tokens of an account's row. A token that no key unseals counts as missing."""
    access, refresh, proof = (_opened(sealer, row[name], purpose(row["id"], name)) for name in SEALED)
    return Tokens(
        access,
        refresh,
        proof,
        access_expires_at=row["access_token_expires_at"],
        refresh_expires_at=row["refresh_token_expires_at"],
        scopes=split_scopes(row["scope"]),
    )


def purpose(account_id: str, column: str) -> str:
    """Return the purpose for which a token is sealed: its row and column."""
    return f"accounts:{account_id}:{column}"


def split_scopes(scope: str | None) -> tuple[str, ...]:
    """Return the scopes of a row, which are separated by commas."""
    return tuple(filter(None, (part.strip() for part in (scope or "").split(","))))


def _opened(sealer: Sealer, sealed: str | None, about: str) -> str:
    try:
        return sealer.open(sealed, about) if sealed else ""
    except BrokenSealError:
        return ""
