"""Stores a seed in the database and in MongoDB."""

import hashlib
from collections.abc import Callable

import pymongo
from argon2 import PasswordHasher
from sqlalchemy import Connection, select

from ops.errors import CommandFailed
from ops.seed.loading import loading
from ops.seed.people import COLUMNS, Seed, domain_of
from services.identity.passwords.hashing import HashingConfig
from services.identity.schema import users
from services.notifications.store.bulk_writes import insert_missing
from services.notifications.store.schema.history import Database

PASSWORD = "trivet-seeded-1"  # noqa: S105  # of development alone
DOCUMENTS = 200
"""How many documents MongoDB stores at once."""
BATCH_SECONDS = 600
"""How long it can take: SecantusDB stores some hundred documents a second."""

Advance = Callable[[int], None]
"""Takes how many more users are done."""


def password_hash(seed: int) -> str:
    """Return the one hash of all users. Its salt comes from the seed, so that the same seed makes the same rows."""
    cost = HashingConfig()
    salt = hashlib.sha256(f"trivet seed {seed}".encode()).digest()[:16]
    return PasswordHasher(cost.passes, cost.memory_kib, cost.lanes).hash(PASSWORD, salt=salt)


def seed_sql(url: str, seed: Seed, advance: Advance) -> dict[str, int]:
    """Store the rows, a transaction for each chunk; return how many of each table. Raises CommandFailed for a seed that
    is there already.
    """
    stored = dict.fromkeys(COLUMNS, 0)
    with loading(url) as (engine, load):
        with engine.connect() as connection:
            _refuse_twice(connection, seed)
        for chunk in seed.chunks():
            with engine.begin() as connection:
                for table, columns in COLUMNS.items():
                    load(connection, table, columns, chunk.rows[table])
                    stored[table] += len(chunk.rows[table])
            advance(chunk.users)
    return stored


def _refuse_twice(connection: Connection, seed: Seed) -> None:
    there = select(users.c.id).where(users.c.email.like(f"%@{domain_of(seed.seed)}")).limit(1)
    if connection.execute(there).first() is not None:
        raise CommandFailed(
            f"seed {seed.seed} is in the database already: give another --seed, or delete it with `trivet db clear`"
        )


async def seed_mongo(database: Database, seed: Seed, advance: Advance) -> dict[str, int]:
    """Store the documents; return how many of each collection."""
    stored: dict[str, int] = {}
    for chunk in seed.chunks():
        left, documents_left = chunk.users, sum(map(len, chunk.documents.values()))
        for name, documents in chunk.documents.items():
            stored[name] = stored.get(name, 0) + len(documents)
            for first in range(0, len(documents), DOCUMENTS):
                batch = documents[first : first + DOCUMENTS]
                with pymongo.timeout(BATCH_SECONDS):
                    await insert_missing(database[name], batch)
                done = left * len(batch) // documents_left
                left, documents_left = left - done, documents_left - len(batch)
                advance(done)
        advance(left)
    return stored
