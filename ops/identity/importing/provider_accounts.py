"""Imports accounts at OAuth providers from a Better Auth database, with sealed tokens and their issuers."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from ops.identity.importing.report import Report
from ops.identity.importing.source.source import Row
from ops.identity.importing.source.values import line
from ops.identity.importing.users import ImportedUser, text_line
from runtime.sealing import Sealer
from services.identity.oauth.providers.catalog import BUILT_IN, ClientRegistration
from services.identity.oauth.tokens import MAX_LENGTH, purpose

TOKENS = {"access_token": "accessToken", "refresh_token": "refreshToken", "id_token": "idToken"}
ENCRYPTED = re.compile(r"\$ba\$.*|[0-9a-f]{80,}", re.DOTALL)
"""Better Auth's encrypted tokens: an envelope, or nonce and ciphertext in hexadecimal."""


class ProviderAccounts:
    """Converts rows of accounts. `issuers` has precedence over the built-in issuers."""

    def __init__(self, sealer: Sealer, issuers: Mapping[str, str]) -> None:
        self._sealer = sealer
        self._issuers = issuers

    def row(self, person: ImportedUser, account_id: str, values: Row) -> Row | None:
        """Return a row for the table of accounts. Returns None, with a reason in the report, if it cannot be stored."""
        provider, theirs = str(values["providerId"] or ""), str(values["accountId"] or "")
        source_id, report = values["id"], person.report
        if not _fits(provider, 64) or not provider.isascii() or not _fits(theirs, 255):
            report.skip(
                "accounts", "the provider id or the account id there is empty, too long or not storable", source_id
            )
            return None
        created = values.get("createdAt") or person.user["created_at"]
        tokens = {
            name: self._sealed(values.get(own), account_id, name, source_id, report) for name, own in TOKENS.items()
        }
        return {
            "id": account_id,
            "user_id": person.id,
            "account_id": theirs,
            "provider": provider,
            "issuer": self._issuer(provider, values.get("idToken"), source_id, report),
            **tokens,
            "access_token_expires_at": values.get("accessTokenExpiresAt"),
            "refresh_token_expires_at": values.get("refreshTokenExpiresAt"),
            "scope": text_line("accounts", "scope", values.get("scope"), 4_096, source_id, report) or None,
            "password": None,
            "created_at": created,
            "updated_at": values.get("updatedAt") or created,
        }

    def _sealed(self, token: Any, account_id: str, name: str, source_id: object, report: Report) -> str | None:
        if not token:
            return None
        text = str(token)
        if ENCRYPTED.fullmatch(text):
            report.note("accounts", "a provider's token was encrypted in the source: not imported", source_id)
            return None
        if len(text) > MAX_LENGTH:
            report.note("accounts", "a provider's token that is too long", source_id)
            return None
        return self._sealer.seal(text, purpose(account_id, name))

    def _issuer(self, provider: str, id_token: Any, source_id: object, report: Report) -> str:
        """Return the issuer that a later sign-in has: the built-in one of the provider, else that of the id token."""
        if provider in self._issuers:
            return self._issuers[provider]
        make = BUILT_IN.get(provider)
        if make is not None and (issuer := make(ClientRegistration("")).issuer):
            return issuer
        if issuer := _claimed(id_token):
            return issuer
        if make is None or provider == "microsoft":
            report.note("accounts", f"the issuer of {provider} is not known: use --issuer {provider}=URL", source_id)
        return ""


def _fits(name: str, length: int) -> bool:
    """Whether a name can be stored and found again. MySQL ignores trailing spaces in comparisons."""
    return 0 < len(name) <= length and name == name.strip() and line(name, length) == name


def _claimed(id_token: Any) -> str:
    """Return the issuer in an id token. The source checked the token before it stored it."""
    try:
        part = str(id_token or "").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        issuer = claims.get("iss")
    except (IndexError, ValueError, AttributeError, binascii.Error):
        return ""
    return issuer if isinstance(issuer, str) and issuer.isascii() and len(issuer) <= 255 else ""
