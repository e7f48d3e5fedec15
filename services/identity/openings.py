"""The statement that opens a session: it writes the row if, at that moment, the proof for it still holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Insert, insert, literal, not_, or_, select

from services.identity import schema
from services.identity.accounts import CREDENTIAL

users, accounts, sessions = schema.users, schema.accounts, schema.sessions


@dataclass(frozen=True, slots=True)
class Proof:
    """Who a session is opened for, and what was checked before it is written.

    That the user exists and is not banned is asked for every session. `password_hash` is the hash that a password was
    checked against; None if the user proved who they are without one.
    """

    user_id: str
    password_hash: str | None = None
    needs_verified_email: bool = False


def insert_while(proof: Proof, row: Mapping[str, Any], now: datetime) -> Insert:
    """Return the INSERT of a session's row, which inserts nothing unless the proof holds.

    It locks the rows of the user and the password: a ban, another password or a deletion that is not committed yet is
    waited for, and one that comes later finds this session and ends it. Without the lock an engine that reads committed
    rows would read the old ones and write a session that the change has not seen.
    """
    values: list[Any] = [literal(value, sessions.c[name].type) for name, value in row.items()]
    source: FromClause = users
    holds = [users.c.id == proof.user_id, or_(not_(users.c.banned), users.c.ban_expires <= now)]
    if proof.needs_verified_email:
        holds.append(users.c.email_verified)
    if proof.password_hash is not None:
        source = users.join(accounts, accounts.c.user_id == users.c.id)
        holds += [accounts.c.provider == CREDENTIAL, accounts.c.password == proof.password_hash]
    holding = select(*values).select_from(source).where(*holds).with_for_update()
    return insert(sessions).from_select(list(row), holding)
