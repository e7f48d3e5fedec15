"""How backups, and what a restore has done, are printed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ops.output import as_json, note, table

if TYPE_CHECKING:
    from ops.backup.manifest import Manifest
    from ops.backup.restoration import Restored

SHOWN = 100
"""The most ids in one line."""


def print_list(found: "Sequence[Manifest | str]", *, json: bool) -> None:
    if json:
        as_json([_summary(each) for each in found if not isinstance(each, str)])
        return
    rows = [_row(each) for each in found if not isinstance(each, str)]
    table(["backup", "schema", "rows", "documents", "bytes", "encrypted"], rows)
    for line in found:
        if isinstance(line, str):
            note(line)


def print_manifest(manifest: "Manifest", *, json: bool) -> None:
    if json:
        print(manifest.encode().decode(), end="")
        return
    print(f"backup      {manifest.backup_id}")
    print(f"trivet      {manifest.version}, schema {manifest.schema}")
    print(f"taken       {manifest.sql_snapshot_at} (SQL), complete {manifest.ended_at}")
    print(f"key         {manifest.key_id or 'unknown'}")
    print(f"encrypted   {'for ' + ', '.join(manifest.recipients) if manifest.recipients else 'no'}")
    rows = [
        [part.store, f"{part.engine} {part.engine_version}", each.name, str(each.count), each.sha256[:16]]
        for part in manifest.parts
        for each in part.checksums
    ]
    table(["store", "engine", "name", "count", "sha256"], rows)
    for line in manifest.notes:
        note(line)


def print_differences(restored: "Restored") -> None:
    """Say where the stores differed at the time of the backup, and what the restore did about it."""
    lines = {
        "documents of users whom the database does not know yet were left out": restored.of_unknown_users,
        "audit events of such users were restored without their personal part": restored.emptied,
        "documents were left out because another one has their unique key": restored.of_one_key,
        "users who were deleted during the backup were deleted again": restored.deleted_again,
    }
    for line, count in lines.items():
        if count:
            note(f"{count} {line}")
    if restored.brought_back is None:
        note("warning: MongoDB does not answer, so it is not known whether erased users were brought back")
    elif erased := restored.brought_back:
        more = f" and {len(erased) - SHOWN} more" if len(erased) > SHOWN else ""
        note(
            f"warning: {len(erased)} user(s) were brought back whose erasure MongoDB remembers: delete them again by "
            f"DELETE /v1/users/ID: {', '.join(erased[:SHOWN])}{more}"
        )


def _count(manifest: "Manifest", store: str) -> int:
    return sum(each.count for part in manifest.of(store) for each in part.checksums)


def _summary(manifest: "Manifest") -> dict[str, Any]:
    return {
        "backup": manifest.backup_id,
        "schema": manifest.schema,
        "rows": _count(manifest, "sql"),
        "documents": _count(manifest, "mongodb"),
        "bytes": manifest.stored_bytes,
        "encrypted": bool(manifest.recipients),
    }


def _row(manifest: "Manifest") -> list[str]:
    *texts, encrypted = _summary(manifest).values()
    return [*map(str, texts), "yes" if encrypted else "no"]
