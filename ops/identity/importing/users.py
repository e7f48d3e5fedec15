"""Imported users: a user is written together with the accounts and sessions, or not at all."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from identity_rules.custom_fields import Fields
from ops.identity.importing.report import Report
from ops.identity.importing.source.source import Row
from ops.identity.importing.source.times import Times
from ops.identity.importing.source.values import field_value, line, row_id
from runtime.errors import InvalidArgument
from services.identity.email.addresses import foreign_email
from services.identity.passwords.credentials import CREDENTIAL
from services.identity.passwords.hashing import BETTER_AUTH_SCRYPT
from services.identity.users.custom_fields import merged
from services.identity.users.pictures import SHAPE, is_image
from services.identity.users.users import Role

HASH_LENGTH = 255
NAME_LENGTH = 255
EMPTY = {
    "name": "there is no name: it is empty here",
    "created_at": "there is no time of creation: the time of the import stands for it",
}
"""The reasons that a report gives for empty columns."""
OWNER_SKIPPED = "its user is left out"


@dataclass(frozen=True, slots=True)
class OwnedRow:
    """A row of a user. `source_id` is the id of its row in the source, None if it is a part of the user's row."""

    source_id: object
    row: Row


@dataclass
class ImportedUser:
    """A user with the accounts and sessions that can be imported.

    `report` has the reasons for lost values. It counts only if the user is imported. `refused` counts the rows that
    cannot be imported, by table.
    """

    user: Row
    accounts: list[OwnedRow] = field(default_factory=list)
    sessions: list[OwnedRow] = field(default_factory=list)
    report: Report = field(default_factory=Report)
    refused: Counter[str] = field(default_factory=Counter)
    source_id: object = None

    @property
    def id(self) -> str:
        return str(self.user["id"])

    @property
    def email(self) -> str:
        return str(self.user["email"])

    def leave_out(self, reason: str, report: Report) -> None:
        """Report that the user is not imported, nor any account or session."""
        report.skip("users", reason, self.source_id)
        self.leave_out_owned(OWNER_SKIPPED, report)

    def leave_out_owned(self, reason: str, report: Report) -> None:
        """Report that no account and no session of the user is imported."""
        for of, rows in (("accounts", self.accounts), ("sessions", self.sessions)):
            if self.refused[of]:
                report.skip(of, reason, None, self.refused[of])
            for each in rows:
                if each.source_id is not None:
                    report.skip(of, reason, each.source_id)


def user_row(values: Row, now: datetime, source_id: object, report: Report) -> Row | None:
    """Return a row for the table of users. Returns None, with a reason in the report, if the values do not allow one.

    `values` are by column name of Trivet, as `values.read` returns them. `source_id` names the row in the report.
    """
    user_id = row_id(values["id"])
    if user_id is None:
        report.skip("users", "the id is no text of up to 36 letters, digits, dashes and underscores", source_id)
        return None
    try:
        email = foreign_email(str(values.get("email") or "").strip())
    except InvalidArgument:
        report.skip("users", "there is no email address, or it is none", source_id)
        return None
    for name, said in EMPTY.items():
        if name in values and values[name] is None:
            report.note("users", said, source_id)
    created = values.get("created_at") or now
    return {
        "id": user_id,
        "email": email,
        "name": text_line("users", "name", values.get("name"), NAME_LENGTH, source_id, report),
        "image": _image(values.get("image"), source_id, report),
        "email_verified": bool(values.get("email_verified")),
        "role": _role(values.get("role"), source_id, report).value,
        "banned": bool(values.get("banned")),
        "ban_reason": text_line("users", "ban reason", values.get("ban_reason"), 512, source_id, report) or None,
        "ban_expires": values.get("ban_expires"),
        "additional": None,
        "created_at": created,
        "updated_at": values.get("updated_at") or created,
    }


def text_line(of: str, name: str, value: Any, length: int, source_id: object, report: Report) -> str:
    """Return a text as Trivet stores it: one line of up to `length` characters. The report has what was removed."""
    text = "" if value is None else str(value)
    clean = line(text, len(text))
    if clean != text:
        report.note(of, f"control characters of the {name} are removed", source_id)
    if len(clean) > length:
        report.note(of, f"the {name} is longer than {length:,} characters: it is cut", source_id)
    return clean[:length]


def _image(value: Any, source_id: object, report: Report) -> str | None:
    if not value:
        return None
    text = str(value)
    if not is_image(text) or line(text, len(text)) != text:
        report.note("users", f"the image is not {SHAPE}", source_id)
        return None
    return text


def _role(value: Any, source_id: object, report: Report) -> Role:
    words = {word.strip() for word in str(value or "").split(",")} - {""}
    for word in sorted(words - {"admin", "user"}):
        report.note("users", f"the role {line(word, 40)} is not known here", source_id)
    return Role.ADMIN if "admin" in words else Role.USER


def dates_of(fields: Fields) -> list[str]:
    """Return the custom fields that hold times."""
    return [name for name, each in fields.items() if each.type == "date"]


def additional(values: Row, fields: Fields, times: Times, source_id: object, report: Report) -> str | None:
    """Return the custom fields of a user in Trivet's form. Fields that are not declared are counted as left out."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name not in fields:
            report.note("users", f"the column {name} is not declared in TRIVET_USER_FIELDS", source_id)
            continue
        try:
            kept[name] = field_value(fields[name], value, partial(times.read, name))
        except (ValueError, TypeError):
            report.note("users", f"the column {name} does not hold what TRIVET_USER_FIELDS says", source_id)
    try:
        return merged(None, kept)
    except InvalidArgument:
        report.note("users", "the additional fields hold more than 16 KiB", source_id)
        return None


def credential(person: ImportedUser, account_id: str, stored: Any, source_id: object) -> Row | None:
    """Return the row of a password. Returns None, with a reason in the report, if Trivet cannot verify its hash."""
    if not stored:
        person.report.skip("accounts", "it has no password hash: the user sets a password by a reset", source_id)
        return None
    text = str(stored)
    if (scheme := _unknown_scheme(text)) is not None:
        why = f"a password hash that cannot be checked here ({scheme}): they reset it"
        person.report.skip("accounts", why, source_id)
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
    """Return the name of a hash's scheme if Trivet cannot verify it, else None."""
    if BETTER_AUTH_SCRYPT.fullmatch(stored):
        return None
    if stored.startswith("$argon2") and len(stored) <= HASH_LENGTH and stored.isascii() and stored.isprintable():
        try:
            extract_parameters(stored)
        except InvalidHashError:
            return "a broken Argon2"
        return None
    if stored.startswith(("$2a$", "$2b$", "$2y$")):
        return "bcrypt"
    return "unknown"
