"""Metrics of the sizes of collections, the uses of indexes, and the lag of a replica set's members."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.errors import OperationFailure

from runtime.telemetry import store_sizes
from services.notifications.store.indexes import Collection
from services.notifications.store.mongo import Document, Store

SYSTEM = "mongodb"
REPLICATES = "SECONDARY"


class StoreSizes:
    """Measures our collections. What the server does not tell, or the user may not ask, is left out."""

    def __init__(self, store: Store, collections: Iterable[Collection]) -> None:
        self._store = store
        self._names = [each.name for each in collections]

    async def measure(self) -> None:
        """Set the metrics. Raises Unavailable if MongoDB is unreachable."""
        await self._store.ping()
        for name in self._names:
            found = await self._asked("sizes.collection", {"collStats": name})
            for part, field in (("data", "size"), ("indexes", "totalIndexSize")):
                store_sizes.size.labels(SYSTEM, name, part).set(found.get(field, 0))
            store_sizes.rows.labels(SYSTEM, name).set(found.get("count", 0))
            cursor = {"aggregate": name, "pipeline": [{"$indexStats": {}}], "cursor": {}}
            for index in (await self._asked("sizes.indexes", cursor)).get("cursor", {}).get("firstBatch", ()):
                if index["accesses"].get("since"):  # SecantusDB has no such time, and counts nothing
                    store_sizes.index_uses.labels(SYSTEM, name, index["name"]).set(index["accesses"]["ops"])
        store_sizes.measured_at.labels(SYSTEM).set(time.time())

    async def measure_members(self) -> None:
        """Set the metrics of a replica set's members. Raises Unavailable if MongoDB is unreachable."""
        status = await self._asked("sizes.members", {"replSetGetStatus": 1}, of_server=True)
        store_sizes.show_lags(SYSTEM, lags_in(status))

    async def _asked(self, operation: str, command: Document, *, of_server: bool = False) -> Mapping[str, Any]:
        """Return the answer to a command; nothing if the server refuses it."""
        database = self._store.database.client.admin if of_server else self._store.database
        try:
            return await self._store.run(operation, lambda: database.command(command))
        except OperationFailure:
            return {}


def lags_in(status: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds that each secondary in replSetGetStatus is behind; infinity if it does not replicate."""
    members = status.get("members", ())
    newest = max((each["optimeDate"] for each in members if each["stateStr"] == "PRIMARY"), default=None)
    return {
        each["name"]: (newest - each["optimeDate"]).total_seconds()
        if newest is not None and each["stateStr"] == REPLICATES
        else float("inf")
        for each in members
        if each["stateStr"] not in ("PRIMARY", "ARBITER")
    }
