"""MongoDB for backups: each collection is read in the order of `_id`, and restored with its declared indexes.

A scan takes a document at most once, and each that is there from its beginning to its end exactly once. It is no
snapshot: of what is written during the scan, a part is in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from ops.backup.documents.bson_stream import BsonSource
from ops.backup.manifest import Checksum
from ops.errors import CommandFailed, WrongSettings
from runtime.clock import utc_now
from services.notifications.domains import COLLECTIONS
from services.notifications.store.indexes import EXPIRY
from services.notifications.store.mongo import DURABLE
from services.notifications.store.schema import history
from services.notifications.store.settings import DEFAULT_DATABASE

BATCH = 1_000
SELECTION_MS = 5_000
CONNECT_MS = 2_000
SERVICE = "trivet-notifications"
BY_NAME = {each.name: each for each in COLLECTIONS}


@dataclass(frozen=True, slots=True)
class MongoDatabase:
    """An open database. `others` are collections in it that are not Trivet's."""

    database: "Database[Any]"
    engine: str
    version: str
    others: tuple[str, ...]

    def batches(self, name: str) -> Iterator[bytes]:
        """Yield the documents of a collection as BSON, in the order of `_id`."""
        found = self.database[name].find_raw_batches({}, sort=[("_id", 1)], hint=[("_id", 1)], batch_size=BATCH)
        yield from found

    def is_empty(self) -> bool:
        return not self.is_half_restored and all(
            self.database[name].find_one({}, {"_id": 1}) is None for name in BY_NAME
        )

    def clear(self) -> None:
        """Drop Trivet's collections."""
        for name in BY_NAME:
            self.database.drop_collection(name)

    def begin_restore(self) -> None:
        """Have every process refuse this database until `end_restore`, also if this process is killed."""
        self.database[history.NAME].replace_one({"_id": history.RESTORE}, {"begunAt": utc_now()}, upsert=True)

    def end_restore(self) -> None:
        self.database[history.NAME].delete_one({"_id": history.RESTORE})

    @property
    def is_half_restored(self) -> bool:
        """Whether a restore into this database runs, or was interrupted."""
        return self.database[history.NAME].find_one({"_id": history.RESTORE}) is not None

    def checksum(self, name: str) -> Checksum:
        """Return the checksum of a collection as it is."""
        source = BsonSource(name, self.batches(name))
        while source.read():
            pass
        return source.checksum()

    def create_indexes(self, name: str, *, expiry: bool) -> None:
        """Create the declared indexes of a collection: that by which documents expire, or the others."""
        wanted = [index for index in BY_NAME[name].indexes if (index is EXPIRY) == expiry]
        if wanted:
            self.database[name].create_indexes(wanted)

    def refuse_if_in_use(self) -> None:
        """Raise CommandFailed if the notifications service is connected, where the server tells."""
        asked: list[dict[str, Any]] = [
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": {"appName": SERVICE}},
            {"$limit": 1},
        ]
        try:
            found = list(self.database.client.admin.aggregate(asked))
        except PyMongoError:  # a server that does not tell, or a user who may not know
            return
        if found:
            raise CommandFailed("MONGODB_URI: the notifications service is connected: stop it, then restore")


@contextmanager
def opened(uri: str) -> Iterator[MongoDatabase]:
    """Connect to MongoDB. Raises CommandFailed if it cannot be reached or refuses a command."""
    name = urlsplit(uri).path.strip("/") or DEFAULT_DATABASE
    try:
        with _client(uri) as client:
            database = client.get_database(name, write_concern=DURABLE)
            built = client.admin.command("buildInfo")
            names = database.list_collection_names()
            others = tuple(sorted(name for name in names if name not in BY_NAME and not name.startswith("system.")))
            engine = "secantusdb" if "secantusVersion" in built else "mongodb"
            yield MongoDatabase(database, engine, built["version"], others)
    except PyMongoError as error:
        said = str(error).partition(", Timeout:")[0][:200]
        raise CommandFailed(f"MONGODB_URI: MongoDB fails or does not answer: {said}") from None


def _client(uri: str) -> "MongoClient[Any]":
    try:
        return MongoClient(
            uri, appname="trivet-backup", serverSelectionTimeoutMS=SELECTION_MS, connectTimeoutMS=CONNECT_MS
        )
    except (PyMongoError, ValueError):  # their texts quote the URI, password and all
        raise WrongSettings("MONGODB_URI is not a MongoDB URI: mongodb://USER:PASSWORD@HOST:PORT/DATABASE") from None
