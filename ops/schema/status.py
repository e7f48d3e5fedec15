"""The output of `trivet db status`: a row for each migration, and one line that sums them up."""

from typing import TYPE_CHECKING, Any

from ops.output import as_json, moment, table

if TYPE_CHECKING:
    from services.identity.store.schema.migrate import MigrationStatus

HEADINGS = ("store", "number", "migration", "applied", "by")
UNKNOWN = "before this was noted"


def rows(found: "MigrationStatus") -> list[dict[str, Any]]:
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


def show(found: "MigrationStatus", *, json: bool) -> None:
    """Print the migrations, as a table or as JSON."""
    every = rows(found)
    if json:
        as_json({"sql": {"at": found.current, "head": found.head}, "migrations": every})
        return
    table(HEADINGS, [_cells(row) for row in every])
    print(summary(found))


def summary(found: "MigrationStatus") -> str:
    """Return one line: the database's migration, the newest one, and the missing ones."""
    return f"sql: at {found.current or 'nothing'}, newest {found.head}, pending {', '.join(found.pending) or 'none'}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["is_pending"]:
        applied, by = "pending", ""
    else:
        applied, by = (moment(row["applied_at"]), row["applied_by"]) if row["applied_at"] else (UNKNOWN, "")
    return row["store"], row["number"], row["name"], applied, by
