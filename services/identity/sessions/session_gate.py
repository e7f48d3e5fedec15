"""The session gate: the only statement that inserts a session, and the conditions that it checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import cache
from typing import Any

from sqlalchemy import FromClause, bindparam, insert, not_, or_, select

from services.identity.passwords.credentials import CREDENTIAL
from services.identity.passwords.tables import accounts
from services.identity.sessions.tables import sessions
from services.identity.store.compiled_writes import StaticInsert
from services.identity.users.tables import users


class Method(Enum):
    """The ways to sign in. A new way is a new member here, and the gate decides what it requires."""

    PASSWORD = auto()
    PASSWORD_CHANGE = auto()
    SIGN_UP = auto()
    PROVIDER = auto()
    EMAIL_LINK = auto()


EXEMPT_FROM_VERIFICATION = frozenset({Method.PASSWORD_CHANGE, Method.PROVIDER, Method.EMAIL_LINK})
"""Methods that open a session for an unverified email even if verification is required, as Better Auth does.

A link verifies the email, a provider has rules of its own (`OAuthRules`), and a password change replaces a session.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """The user for whom a session is opened, and the method of the sign-in.

    `password_hash` is the hash that the password was checked against; None without a password.
    """

    user_id: str
    method: Method
    password_hash: str | None = None


@cache
def writing_for(*, has_password: bool, needs_verified_email: bool) -> StaticInsert:
    """Return the INSERT of a session, which inserts nothing unless the proof holds. Each variant is built once.

    It locks the rows of the user and the password. It waits for an uncommitted ban, password change or deletion, and a
    later one finds this session and ends it. Without the lock, an engine could read the rows before such a change and
    insert a session that the change does not end.
    """
    values: list[Any] = [bindparam(f"new_{column.name}", type_=column.type) for column in sessions.c]
    source: FromClause = users
    holds = [users.c.id == bindparam("proved_user"), or_(not_(users.c.banned), users.c.ban_expires <= bindparam("now"))]
    if needs_verified_email:
        holds.append(users.c.email_verified)
    if has_password:
        source = users.join(accounts, accounts.c.user_id == users.c.id)
        holds += [accounts.c.provider == CREDENTIAL, accounts.c.password == bindparam("proved_hash")]
    holding = select(*values).select_from(source).where(*holds).with_for_update()
    return StaticInsert(insert(sessions).from_select([column.name for column in sessions.c], holding))


def insert_if_proved(
    proof: Proof, row: Mapping[str, Any], now: datetime, *, requires_verification: bool
) -> tuple[StaticInsert, dict[str, Any]]:
    """Return the statement that inserts a session if the proof holds, and its parameters.

    It checks for every proof that the user exists and is not banned. It checks the password hash if there is one, and
    that the email is verified if `requires_verification` is set and the method is not exempt.
    """
    has_password = proof.password_hash is not None
    values = {f"new_{name}": value for name, value in row.items()}
    values |= {"proved_user": proof.user_id, "now": now}
    if has_password:
        values["proved_hash"] = proof.password_hash
    needs_verified_email = requires_verification and proof.method not in EXEMPT_FROM_VERIFICATION
    return writing_for(has_password=has_password, needs_verified_email=needs_verified_email), values
