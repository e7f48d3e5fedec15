"""The statement that opens a session: it writes the row if, at that moment, the proof for it still holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import FromClause, bindparam, insert, not_, or_, select

from services.identity.passwords.credentials import CREDENTIAL
from services.identity.passwords.tables import accounts
from services.identity.sessions.tables import sessions
from services.identity.store.compiled_writes import Writing
from services.identity.users.tables import users


@dataclass(frozen=True, slots=True)
class Proof:
    """Who a session is opened for, and what was checked before it is written.

    That the user exists and is not banned is asked for every session. `password_hash` is the hash that a password was
    checked against; None if the user proved who they are without one.
    """

    user_id: str
    password_hash: str | None = None
    needs_verified_email: bool = False


@cache
def writing_for(*, has_password: bool, needs_verified_email: bool) -> Writing:
    """Return the INSERT of a session's row, which inserts nothing unless the proof holds. It is built once.

    It locks the rows of the user and the password: a ban, another password or a deletion that is not committed yet is
    waited for, and one that comes later finds this session and ends it. Without the lock an engine that reads committed
    rows would read the old ones and write a session that the change has not seen.
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
    return Writing(insert(sessions).from_select([column.name for column in sessions.c], holding))


def insert_while(proof: Proof, row: Mapping[str, Any], now: datetime) -> tuple[Writing, dict[str, Any]]:
    """Return the statement that writes a session's row if the proof holds, and the values of its parameters."""
    has_password = proof.password_hash is not None
    values = {f"new_{name}": value for name, value in row.items()}
    values |= {"proved_user": proof.user_id, "now": now}
    if has_password:
        values["proved_hash"] = proof.password_hash
    return writing_for(has_password=has_password, needs_verified_email=proof.needs_verified_email), values
