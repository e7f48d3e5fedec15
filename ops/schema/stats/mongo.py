"""The sizes of collections and their indexes, as MongoDB tells them."""

from typing import Any

from pymongo.errors import OperationFailure

from ops.schema.stats.sizes import IndexSize, Size
from services.notifications.domains import COLLECTIONS
from services.notifications.store.indexes import Collection
from services.notifications.store.schema.changes import name_of
from services.notifications.store.schema.history import Database


async def look(database: Database) -> tuple[list[Size], list[IndexSize]]:
    """Return our collections and their indexes."""
    sizes: list[Size] = []
    indexes: list[IndexSize] = []
    there = set(await database.list_collection_names())
    for each in sorted(COLLECTIONS, key=lambda declared: declared.name):
        if each.name not in there:
            sizes.append(Size("mongodb", each.name, 0, 0, 0))
            indexes += [IndexSize("mongodb", each.name, name_of(index), is_missing=True) for index in each.indexes]
            continue
        found = await database.command("collStats", each.name)
        sizes.append(Size("mongodb", each.name, found["count"], int(found["size"]), int(found["totalIndexSize"])))
        indexes += await _indexes(database, each, found["indexSizes"])
    return sizes, indexes


async def _indexes(database: Database, declared: Collection, sizes: dict[str, int]) -> list[IndexSize]:
    accesses = await _accesses(database, declared.name)
    there = {row["name"] async for row in await database[declared.name].list_indexes()}
    found = []
    for index in declared.indexes:
        name = name_of(index)
        access = accesses.get(name, {})
        since = access.get("since")  # SecantusDB has no such time, and counts nothing
        found.append(
            IndexSize(
                "mongodb",
                declared.name,
                name,
                int(sizes.get(name, 0)) if name in there else None,
                int(access["ops"]) if since else None,
                uses_since=since,
                # An expiry index is used by the server, which does not count that.
                is_unique=bool(index.document.get("unique")) or "expireAfterSeconds" in index.document,
                is_missing=name not in there,
            )
        )
    return found


async def _accesses(database: Database, name: str) -> dict[str, dict[str, Any]]:
    """Return what is counted of each index; nothing if the user may not read it."""
    try:
        cursor = await database[name].aggregate([{"$indexStats": {}}])
        return {row["name"]: row["accesses"] async for row in cursor}
    except OperationFailure:
        return {}
