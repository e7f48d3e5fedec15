"""Loads the documents of a backup: all but those of users whom the restored database does not know."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError
from sqlalchemy import Engine

from ops.backup.documents.mongodb import MongoDatabase
from ops.backup.manifest import Checksum
from ops.backup.sql.database import delete_users, engine_of, known_users
from services.identity.store.engine.store_url import StoreUrl
from services.notifications.domains import PERSONAL_DATA
from services.notifications.store.bulk_writes import DUPLICATE_KEY
from services.notifications.store.tombstones import TOMBSTONES

PERSONAL = {kind.collection.name: kind for kind in PERSONAL_DATA}
BATCH = 500


class Users:
    """The users of the restored database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    @contextmanager
    def of(cls, store: StoreUrl) -> Iterator[Self]:
        with engine_of(store) as engine:
            yield cls(engine)

    def unknown(self, user_ids: set[str]) -> set[str]:
        """Return which of these are no users."""
        with self._engine.connect() as connection:
            return user_ids - known_users(connection, user_ids)

    def delete_erased(self, target: MongoDatabase) -> int:
        """Delete the users whom MongoDB remembers as erased; return how many there were.

        Each was deleted between the two parts of the backup. Their data in MongoDB is gone, and they had asked for it.
        """
        count = 0
        for found in self.erased(target):
            with self._engine.begin() as connection:
                delete_users(connection, found)
            count += len(found)
        return count

    def erased(self, target: MongoDatabase) -> Iterator[set[str]]:
        """Yield the users whom MongoDB remembers as erased, in batches."""
        rows = target.database[TOMBSTONES.name].find({}, {"_id": 1})
        while batch := [str(row["_id"]) for row in islice(rows, BATCH)]:
            with self._engine.connect() as connection:
                found = known_users(connection, batch)
            if found:
                yield found


@dataclass(slots=True)
class Loading:
    """Writes the documents of one collection, counts those left out, and makes the checksum of those written."""

    target: MongoDatabase
    name: str
    users: Users
    count: int = 0
    of_unknown_users: int = 0
    emptied: int = 0
    of_one_key: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def take(self, documents: Sequence[bytes]) -> None:
        """Write a batch."""
        if self.name in PERSONAL:
            documents = self._of_known_users(documents)
        if documents:
            self._insert(documents)

    def checksum(self) -> Checksum:
        return Checksum(self.name, self.count, self._hash.hexdigest())

    def _of_known_users(self, documents: Sequence[bytes]) -> list[bytes]:
        owners = [RawBSONDocument(each).get("userId") for each in documents]
        unknown = self.users.unknown({owner for owner in owners if isinstance(owner, str) and owner})
        field_to_empty = PERSONAL[self.name].emptied_field
        kept = []
        for owner, document in zip(owners, documents, strict=True):
            if owner not in unknown:
                kept.append(document)
            elif field_to_empty is None:
                self.of_unknown_users += 1
            else:
                fields = bson.decode(document)
                self.emptied += fields.pop(field_to_empty, None) is not None
                kept.append(bson.encode(fields))
        return kept

    def _insert(self, documents: Sequence[bytes]) -> None:
        """Insert documents. A scan that is no snapshot can hold two with one unique key: the first one stays."""
        refused: set[int] = set()
        try:
            self.target.database[self.name].insert_many([RawBSONDocument(each) for each in documents], ordered=False)
        except BulkWriteError as error:
            errors = (error.details or {}).get("writeErrors", [])
            if not errors or any(each["code"] != DUPLICATE_KEY for each in errors):
                raise
            refused = {each["index"] for each in errors}
        written = [each for place, each in enumerate(documents) if place not in refused]
        self.of_one_key += len(refused)
        self.count += len(written)
        self._hash.update(b"".join(written))
