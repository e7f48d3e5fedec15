"""`trivet db stats`: what the stores hold, how it grew, and which indexes are used."""

import asyncio
import hashlib
from typing import Any

from ops.identity.database import once_there, url
from ops.output import as_json, moment, note, table
from ops.schema import mongo, redis
from ops.schema.stats.growth import keep, since_last_look
from ops.schema.stats.sizes import Grown, Growth, IndexSize, Size, Stats
from ops.settings import OpsSettings
from ops.settings_reader import read_settings

SIZES = ("store", "table", "rows", "bytes", "indexes", "rows grown", "bytes grown", "since")
INDEXES = ("store", "table", "index", "bytes", "uses", "state")
STYLES = {"missing": "bold red", "unused": "yellow"}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show(*, json: bool) -> None:
    """Look at all stores, print what they hold, and keep the look for the next one."""
    stats, place = _look()
    folder = read_settings(OpsSettings).data_folder
    grown = since_last_look(folder, place, stats.sizes)
    if json:
        as_json(as_data(stats, grown))
    else:
        table(SIZES, [_size(each, grown.get(each.key)) for each in stats.sizes])
        print()
        styles = [STYLES.get(each.state) for each in stats.indexes]
        table(INDEXES, [_index(each) for each in stats.indexes], styles)
    for remark in stats.remarks:
        note(remark)
    try:
        keep(folder, place, stats.sizes)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        note(f"the next look will show no growth, because {folder} cannot be written ({reason}): set TRIVET_DATA")


def _look() -> tuple[Stats, str]:
    """Return what the stores hold, and a name for the stores together."""
    from ops.schema.stats import mongo as of_mongo
    from ops.schema.stats import redis as of_redis
    from ops.schema.stats import sql

    stats = Stats()
    address = url()
    stats.add(*once_there(lambda: sql.look(address), address))
    if (uri := mongo.uri()) is None:
        stats.remarks.append(f"MongoDB is not shown: {mongo.ABSENT}")
    else:
        stats.add(*mongo.with_mongo(of_mongo.look, uri))
    if (cache := redis.address()) is None:
        stats.remarks.append(f"Redis is not shown: {redis.ABSENT}")
    else:
        stats.add(asyncio.run(of_redis.look(cache.url, cache.prefix)))
    if missing := sum(each.is_missing for each in stats.indexes):
        stats.remarks.append(
            f"{missing} indexes are missing: run `trivet db migrate`, and create by hand those that no migration lacks"
        )
    # An address can hold a password.
    place = hashlib.sha256(f"{address} {uri} {cache.url if cache else None}".encode()).hexdigest()
    return stats, place


def as_data(stats: Stats, grown: Grown) -> dict[str, Any]:
    """Return the statistics for programs."""
    return {
        "tables": [
            {
                "store": each.store,
                "name": each.name,
                "rows": each.rows,
                "bytes": each.bytes,
                "index_bytes": each.index_bytes,
                "is_estimate": each.is_estimate,
                "growth": _growth(grown.get(each.key)),
            }
            for each in stats.sizes
        ],
        "indexes": [
            {
                "store": each.store,
                "table": each.table,
                "name": each.name,
                "bytes": each.bytes,
                "uses": each.uses,
                "uses_since": each.uses_since,
                "state": each.state or None,
            }
            for each in stats.indexes
        ],
        "remarks": stats.remarks,
    }


def _growth(growth: Growth | None) -> dict[str, Any] | None:
    return {"rows": growth.rows, "bytes": growth.bytes, "since": growth.since} if growth else None


def _size(size: Size, growth: Growth | None) -> tuple[str, ...]:
    about = "~" if size.is_estimate else ""
    return (
        size.store,
        size.name,
        f"{about}{size.rows:,}",
        (about if size.store == "redis" else "") + human(size.bytes),
        human(size.index_bytes),
        f"{growth.rows:+,}" if growth else "-",
        human(growth.bytes, sign=True) if growth else "-",
        moment(growth.since) if growth else "-",
    )


def _index(index: IndexSize) -> tuple[str, ...]:
    uses = "-" if index.uses is None else f"{index.uses:,}"
    return index.store, index.table, index.name, human(index.bytes), uses, index.state or "-"


def human(size: int | None, *, sign: bool = False) -> str:
    """Return bytes in the largest unit that leaves at least one; a dash for an unknown size."""
    if size is None:
        return "-"
    value, unit = float(size), 0
    while abs(value) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    number = f"{value:+,.1f}" if sign else f"{value:,.1f}"
    return f"{number.removesuffix('.0') if unit == 0 else number} {UNITS[unit]}"
