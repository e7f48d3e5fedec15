"""Makes a backup: the relational database first, then MongoDB, a part for each collection."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum

from ops.backup.addresses import StoreAddresses
from ops.backup.cache_store import logical, rdb
from ops.backup.cache_store.server import opened
from ops.backup.destinations.destination import Destination, NewBackup
from ops.backup.documents import mongodb
from ops.backup.documents.bson_stream import BsonSource
from ops.backup.manifest import Checksum, Manifest, Part, new_backup_id
from ops.backup.sql.database import check_revision, look_at
from ops.backup.sql.engines import backup_of
from ops.backup.streams import Source, pack, recipient
from runtime.clock import Clock, utc_now
from runtime.version import VERSION

RDB = "redis.rdb"


class RedisDump(Enum):
    """How Redis is backed up."""

    NONE = "none"
    LOGICAL = "logical"
    RDB = "rdb"


Describe = Callable[[], tuple[Checksum, ...]]


class Creation:
    """One backup that is being made."""

    def __init__(self, new: NewBackup, recipients: Sequence[str]) -> None:
        self._new = new
        self._recipients = tuple(recipients)
        self._ending = ".zst.age" if recipients else ".zst"
        self.parts: list[Part] = []
        self.notes: list[str] = []

    def sql(self, addresses: StoreAddresses) -> str:
        """Back up the relational database; return the revision of its schema."""
        store = addresses.store
        found = look_at(store)
        revision = check_revision(found.revision, "the database of DATABASE_URL")
        self._leave_out(found.others, "tables")
        engine = backup_of(store)
        with engine.dump(found) as dump:
            self._pack("sql", f"sql.{engine.suffix}", dump.source, dump.checksums, found.engine, found.version)
            if position := dump.position():
                self.notes.append(f"the binary log stood at {position} at the moment of the database's part")
        return revision

    def mongodb(self, addresses: StoreAddresses) -> None:
        """Back up MongoDB."""
        with mongodb.opened(addresses.mongodb) as found:
            self._leave_out(found.others, "collections")
            for name in mongodb.BY_NAME:
                source = BsonSource(name, found.batches(name))
                file = f"mongodb.{name}.bson"
                self._pack("mongodb", file, source, lambda: (source.checksum(),), found.engine, found.version)  # noqa: B023  # called within the turn

    def redis(self, addresses: StoreAddresses, how: RedisDump, prefix: str) -> None:
        """Back up Redis if this was asked for, in the format that was asked for."""
        if how is RedisDump.NONE:
            self.notes.append("Redis is left out: it holds a cache, which fills itself")
            return
        with opened(addresses.redis) as server:
            if how is RedisDump.LOGICAL:
                source = BsonSource("keys", logical.batches(server, prefix))
                named = (server.engine, server.version)
                self._pack("redis", "redis.keys.bson", source, lambda: (source.checksum(),), *named)
            else:
                with rdb.dump(addresses.redis) as dump:
                    self._pack("redis", RDB, dump, tuple, server.engine, server.version)

    def _pack(
        self, store: str, file: str, source: Source, describe: Describe, engine: str, engine_version: str
    ) -> None:
        name = f"{file}{self._ending}"
        with self._new.create(name) as sink:
            packed = pack(source, sink, self._recipients)
            checksums = describe()
        self.parts.append(
            Part(
                store,
                name,
                engine,
                engine_version,
                packed.content_bytes,
                packed.content_sha256,
                packed.stored_bytes,
                packed.stored_sha256,
                checksums,
            )
        )

    def _leave_out(self, names: Sequence[str], what: str) -> None:
        if names:
            self.notes.append(f"{what} that are not Trivet's are left out: {', '.join(names)}")


def create(
    destination: Destination,
    addresses: StoreAddresses,
    recipients: Sequence[str] = (),
    *,
    redis: RedisDump = RedisDump.NONE,
    prefix: str = "",
    key_id: str = "",
    now: Clock = utc_now,
) -> Manifest:
    """Back up all stores, while they are in use, and return the manifest. Raises CommandFailed and leaves nothing."""
    for each in recipients:
        recipient(each)
    began = now()
    backup_id = new_backup_id(began)
    with destination.begin(backup_id) as new:
        creation = Creation(new, recipients)
        snapshot_at = now()
        revision = creation.sql(addresses)
        creation.mongodb(addresses)
        creation.redis(addresses, redis, prefix)
        manifest = Manifest(
            backup_id=backup_id,
            version=VERSION,
            schema=revision,
            began_at=_iso(began),
            sql_snapshot_at=_iso(snapshot_at),
            ended_at=_iso(now()),
            key_id=key_id,
            recipients=tuple(recipients),
            parts=tuple(creation.parts),
            notes=tuple(creation.notes),
        )
        new.finish(manifest)
    return manifest


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
