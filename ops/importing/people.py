"""People as they are imported: each with all that is theirs, written together or not at all."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from ops.importing.report import Report
from ops.importing.source import Row
from ops.importing.times import Times
from ops.importing.values import field_value, line, row_id
from runtime.errors import InvalidArgument
from runtime.fields import Fields
from services.identity.accounts import CREDENTIAL
from services.identity.emails import foreign_email
from services.identity.fields import merged
from services.identity.hashing import BETTER_AUTH_SCRYPT
from services.identity.images import SHAPE, is_image
from services.identity.users import Role

HASH_LENGTH = 255


@dataclass
class Person:
    """Rows of ours: one of users, and what belongs to it."""

    user: Row
    accounts: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.user["id"])

    @property
    def email(self) -> str:
        return str(self.user["email"])


def user_row(values: Row, now: datetime, report: Report) -> Row | None:
    """Return a row of users; None if there can be none, with the reason in the report.

    `values` are by our names, as `values.read` returns them.
    """
    user_id = row_id(values["id"])
    if user_id is None:
        report.skip("users", "the id is no text of up to 36 letters, digits, dashes and underscores", values["id"])
        return None
    try:
        email = foreign_email(str(values.get("email") or "").strip())
    except InvalidArgument:
        report.skip("users", "there is no email address, or it is none", user_id)
        return None
    created = values.get("created_at") or now
    return {
        "id": user_id,
        "email": email,
        "name": line(values.get("name"), 255),
        "image": _image(values.get("image"), user_id, report),
        "email_verified": bool(values.get("email_verified")),
        "role": _role(values.get("role"), user_id, report).value,
        "banned": bool(values.get("banned")),
        "ban_reason": line(values.get("ban_reason"), 512) or None,
        "ban_expires": values.get("ban_expires"),
        "additional": None,
        "created_at": created,
        "updated_at": values.get("updated_at") or created,
    }


def _image(value: Any, user_id: str, report: Report) -> str | None:
    if not value:
        return None
    text = str(value)
    if not is_image(text) or line(text, len(text)) != text:
        report.note("users", f"the image is not {SHAPE}", user_id)
        return None
    return text


def _role(value: Any, user_id: str, report: Report) -> Role:
    words = {word.strip() for word in str(value or "").split(",")} - {""}
    for word in sorted(words - {"admin", "user"}):
        report.note("users", f"the role {line(word, 40)} is not known here", user_id)
    return Role.ADMIN if "admin" in words else Role.USER


def dates_of(fields: Fields) -> list[str]:
    """Return the product's fields that hold times."""
    return [name for name, each in fields.items() if each.type == "date"]


def additional(values: Row, fields: Fields, times: Times, user_id: str, report: Report) -> str | None:
    """Return what a product has added to users, as we keep it; what is not declared is counted as left out."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name not in fields:
            report.note("users", f"the column {name} is not declared in TRIVET_USER_FIELDS", user_id)
            continue
        try:
            kept[name] = field_value(fields[name], value, partial(times.read, name))
        except (ValueError, TypeError):
            report.note("users", f"the column {name} does not hold what TRIVET_USER_FIELDS says", user_id)
    try:
        return merged(None, kept)
    except InvalidArgument:
        report.note("users", "the additional fields hold more than 16 KiB", user_id)
        return None


def credential(person: Person, account_id: str, stored: Any, report: Report) -> Row | None:
    """Return the row of a password that we can check; None if there is none, or the report says why."""
    if not stored:
        return None
    text = str(stored)
    if (scheme := _unknown_scheme(text)) is not None:
        report.skip("accounts", f"a password hash that cannot be checked here ({scheme}): they reset it", person.id)
        return None
    now = person.user["updated_at"]
    return {
        **dict.fromkeys(("access_token", "refresh_token", "id_token", "scope")),
        **dict.fromkeys(("access_token_expires_at", "refresh_token_expires_at")),
        "id": account_id,
        "user_id": person.id,
        "account_id": person.id,
        "provider": CREDENTIAL,
        "issuer": "",
        "password": text,
        "created_at": now,
        "updated_at": now,
    }


def _unknown_scheme(stored: str) -> str | None:
    """Return what a hash seems to be that we cannot check, None if we can."""
    if BETTER_AUTH_SCRYPT.fullmatch(stored):
        return None
    if stored.startswith("$argon2") and len(stored) <= HASH_LENGTH:
        try:
            extract_parameters(stored)
        except InvalidHashError:
            return "a broken Argon2"
        return None
    if stored.startswith(("$2a$", "$2b$", "$2y$")):
        return "bcrypt"
    return "unknown"
