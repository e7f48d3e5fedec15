"""Restores a backup: checks all of it first, then loads the database, then MongoDB, and compares both with it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from ops.backup.addresses import StoreAddresses
from ops.backup.cache_store import logical
from ops.backup.cache_store.server import RedisServer, opened
from ops.backup.check import check_files, check_schema, check_server, read_part
from ops.backup.destinations.destination import Destination
from ops.backup.documents import mongodb
from ops.backup.documents.bson_stream import BsonSink
from ops.backup.documents.loading import Loading, Users
from ops.backup.manifest import Manifest, Part, differences
from ops.backup.sql.database import SqlDatabase, broken_references, look_at
from ops.backup.sql.engines import backup_of
from ops.errors import CommandFailed

STORES = ("sql", "mongodb", "redis")
LOGICAL = "redis.keys"


@dataclass(slots=True)
class Restored:
    """What a restore has done. The counts say where the stores differed at the time of the backup."""

    rows: int = 0
    documents: int = 0
    keys: int = 0
    of_unknown_users: int = 0
    """Documents that were left out, because the database did not know their user yet."""
    emptied: int = 0
    """Audit events whose personal part was left out for the same reason."""
    of_one_key: int = 0
    """Documents that were left out, because another one has their unique key."""
    deleted_again: int = 0
    """Users who were deleted after the database's part was made, and so were deleted again."""
    brought_back: Sequence[str] | None = ()
    """The ids of users whom a restore of SQL alone brought back, though MongoDB remembers their erasure.

    None if MongoDB did not answer.
    """


class Restoration:
    """Restores one backup into the stores at some addresses."""

    def __init__(
        self,
        destination: Destination,
        manifest: Manifest,
        addresses: StoreAddresses,
        identities: Sequence[Any] | None,
        *,
        replace: bool = False,
        prefix: str = "",
        only: Sequence[str] = STORES,
    ) -> None:
        self._destination = destination
        self._manifest = manifest
        self._addresses = addresses
        self._identities = identities
        self._replace = replace
        self._prefix = prefix
        self._only = only
        self.restored = Restored()
        self._marked: mongodb.MongoDatabase | None = None

    def run(self) -> Restored:
        """Restore. Raises CommandFailed before anything is changed if the backup or a target does not fit."""
        check_schema(self._manifest)
        parts = [part for part in self._manifest.parts if part.store in self._only]
        check_files(self._destination, self._manifest, parts, self._identities)
        with ExitStack() as stack:
            steps = [step(stack) for store, step in self._steps().items() if store in self._only]
            if self._marked is not None:  # before SQL: a kill between the two leaves MongoDB refused
                self._marked.begin_restore()
            for restore in steps:  # every target has been checked
                restore()
        return self.restored

    def _steps(self) -> dict[str, Callable[[ExitStack], Callable[[], None]]]:
        """Return what checks a store as a target, and returns what restores it; in this order."""
        return {"sql": self._sql, "mongodb": self._mongodb, "redis": self._redis}

    def _sql(self, stack: ExitStack) -> Callable[[], None]:
        found = look_at(self._addresses.store)
        self._check_sql(found)
        return lambda: self._restore_sql(found)

    def _mongodb(self, stack: ExitStack) -> Callable[[], None]:
        target = stack.enter_context(mongodb.opened(self._addresses.mongodb))
        self._check_mongodb(target)
        self._marked = target
        return lambda: self._restore_mongodb(target)

    def _redis(self, stack: ExitStack) -> Callable[[], None]:
        parts = [part for part in self._manifest.of("redis") if part.file.startswith(LOGICAL)]
        if not parts:
            return lambda: None  # it is left out, or in a format that only a server's start reads
        server = stack.enter_context(opened(self._addresses.redis))
        if not self._replace and not logical.is_empty(server, self._prefix):
            raise CommandFailed("REDIS_URL: there are keys: give --replace to delete them, or use --only")
        return lambda: self._restore_redis(server, parts[0])

    def _restore_redis(self, server: RedisServer, part: Part) -> None:
        if self._replace:
            logical.clear(server, self._prefix)
        sink = BsonSink(partial(logical.write, server))
        read_part(self._destination, self._manifest, part, sink, self._identities)
        sink.finish()
        self.restored.keys = sum(each.count for each in part.checksums)

    def _check_sql(self, found: SqlDatabase) -> None:
        (part,) = self._manifest.of("sql")
        check_server(part, found.engine, found.version, "DATABASE_URL")
        backup_of(self._addresses.store).refuse_if_in_use()
        if found.tables and not self._replace:
            raise CommandFailed(
                f"DATABASE_URL: the database is not empty ({len(found.tables)} tables of Trivet's): restore into an "
                "empty one, or give --replace to delete what it holds"
            )

    def _check_mongodb(self, target: mongodb.MongoDatabase) -> None:
        for part in self._manifest.of("mongodb"):
            check_server(part, target.engine, target.version, "MONGODB_URI")
        target.refuse_if_in_use()
        if not self._replace and not target.is_empty():
            raise CommandFailed(
                "MONGODB_URI: the database is not empty: restore into an empty one, or give --replace to delete what "
                "it holds"
            )

    def _restore_sql(self, found: SqlDatabase) -> None:
        (part,) = self._manifest.of("sql")
        store = self._addresses.store
        engine = backup_of(store)
        engine.clear(found)
        with engine.load(found) as sink:
            read_part(self._destination, self._manifest, part, sink, self._identities)
        now = look_at(store)
        names = [each.name for each in part.checksums]
        lines = differences(part.checksums, engine.checksums(now, names))
        lines += broken_references(store, now.tables)
        _raise(lines, "the database")
        self.restored.rows = sum(each.count for each in part.checksums)
        if "mongodb" not in self._only:
            self.restored.brought_back = self._brought_back()

    def _brought_back(self) -> Sequence[str] | None:
        try:
            with mongodb.opened(self._addresses.mongodb) as remembering, Users.of(self._addresses.store) as users:
                return sorted(chain.from_iterable(users.erased(remembering)))
        except CommandFailed:  # the restore is whole without it
            return None

    def _restore_mongodb(self, target: mongodb.MongoDatabase) -> None:
        if self._replace:
            target.clear()
        with Users.of(self._addresses.store) as users:
            for part in self._manifest.of("mongodb"):
                self._restore_collection(target, part, users)
            self.restored.deleted_again = users.delete_erased(target)
        target.end_restore()

    def _restore_collection(self, target: mongodb.MongoDatabase, part: Part, users: Users) -> None:
        (expected,) = part.checksums
        target.create_indexes(expected.name, expiry=False)
        loading = Loading(target, expected.name, users)
        sink = BsonSink(loading.take)
        read_part(self._destination, self._manifest, part, sink, self._identities)
        sink.finish()
        _raise(differences([loading.checksum()], [target.checksum(expected.name)]), "MongoDB")
        target.create_indexes(expected.name, expiry=True)
        restored = self.restored
        restored.documents += loading.count
        restored.of_unknown_users += loading.of_unknown_users
        restored.emptied += loading.emptied
        restored.of_one_key += loading.of_one_key
        _raise(_missing(part, expected.count, loading), "MongoDB")


def _missing(part: Part, expected: int, loading: Loading) -> list[str]:
    seen = loading.count + loading.of_unknown_users + loading.of_one_key
    return [] if seen == expected else [f"{part.file} held {seen} documents instead of {expected}"]


def _raise(lines: Sequence[str], where: str) -> None:
    """Raise CommandFailed that lists where a restored store differs from the backup."""
    if lines:
        raise CommandFailed("\n  ".join([f"{where} was restored and is not what was backed up:", *lines]))
