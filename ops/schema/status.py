"""The output of `trivet db status`: a row for each migration, and one line for each store that sums them up."""

from typing import TYPE_CHECKING, Any

from ops.output import as_json, moment, table

if TYPE_CHECKING:
    from services.identity.store.schema.migrate import MigrationStatus as SqlStatus
    from services.notifications.store.schema.history import MigrationStatus as MongoStatus

HEADINGS = ("store", "number", "migration", "applied", "by")
UNKNOWN = "before this was noted"


def of_sql(found: "SqlStatus") -> list[dict[str, Any]]:
    """Return a row for each migration. `applied_at` is None if it is missing, or an older release applied it."""
    return [
        {
            "store": "sql",
            "number": step.revision,
            "name": step.name,
            "is_pending": step.revision in found.pending,
            "applied_at": applied.at if applied else None,
            "applied_by": applied.by if applied else None,
        }
        for step in found.steps
        for applied in [(found.applied or {}).get(step.revision)]
    ]


def of_mongo(found: "MongoStatus") -> list[dict[str, Any]]:
    """Return a row for each migration."""
    return [
        {
            "store": "mongodb",
            "number": f"{step.number:04}",
            "name": step.name,
            "is_pending": applied is None,
            "applied_at": applied.at if applied else None,
            "applied_by": applied.by if applied else None,
        }
        for step in found.steps
        for applied in [found.applied.get(step.number)]
    ]


def show(sql: "SqlStatus", mongo: "MongoStatus | None", *, json: bool) -> None:
    """Print the migrations of both stores, as a table or as JSON."""
    every = of_sql(sql) + (of_mongo(mongo) if mongo else [])
    if json:
        stores = {"sql": _ends(sql.current, sql.head)}
        if mongo:
            stores["mongodb"] = _ends(f"{mongo.current:04}" if mongo.current else None, f"{mongo.head:04}")
        as_json({"stores": stores, "migrations": every})
        return
    table(HEADINGS, [_cells(row) for row in every])
    print(summary_of_sql(sql))
    if mongo:
        print(summary_of_mongo(mongo))


def summary_of_sql(found: "SqlStatus") -> str:
    """Return one line: the database's migration, the newest one, and the missing ones."""
    return _line("sql", found.current, found.head, found.pending)


def summary_of_mongo(found: "MongoStatus") -> str:
    """Return one line, as for SQL."""
    pending = tuple(f"{step.number:04}" for step in found.pending)
    return _line("mongodb", f"{found.current:04}" if found.current else None, f"{found.head:04}", pending)


def _line(store: str, current: str | None, head: str | None, pending: tuple[str, ...]) -> str:
    return f"{store}: at {current or 'nothing'}, newest {head}, pending {', '.join(pending) or 'none'}"


def _ends(current: str | None, head: str | None) -> dict[str, str | None]:
    return {"at": current, "newest": head}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["is_pending"]:
        applied, by = "pending", ""
    else:
        applied, by = (moment(row["applied_at"]), row["applied_by"]) if row["applied_at"] else (UNKNOWN, "")
    return row["store"], row["number"], row["name"], applied, by
