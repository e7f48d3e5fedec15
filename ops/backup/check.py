"""Checks a backup before anything is restored from it: every file, every byte, and what it asks of the servers."""

from collections.abc import Sequence
from typing import Any

from ops.backup.destinations.destination import Destination
from ops.backup.manifest import Manifest, Part
from ops.backup.sql.database import check_revision
from ops.backup.streams import DamagedError, Sink, unpack
from ops.errors import CommandFailed

MAJOR_PARTS = {"postgresql": 1, "mariadb": 2, "mysql": 2, "mongodb": 1, "secantusdb": 1, "redis": 1, "valkey": 1}
"""How many numbers of a version make what the engine's makers call a major one."""
SAME = {"secantusdb": "mongodb", "valkey": "redis"}
"""Engines that take each other's documents or keys."""


class Nothing:
    """A sink that keeps nothing."""

    def write(self, data: bytes, /) -> int:
        return len(data)


def read_part(
    destination: Destination, manifest: Manifest, part: Part, sink: Sink, identities: Sequence[Any] | None
) -> None:
    """Decrypt and decompress a part into a sink. Raises CommandFailed if it is not what the manifest says."""
    where = f"{part.file} of the backup {manifest.backup_id}"
    try:
        with destination.open(manifest.backup_id, part.file) as source:
            packed = unpack(source, sink, identities if manifest.recipients else None)
    except DamagedError as error:
        raise CommandFailed(f"{where} is truncated or altered ({error}): use another backup") from None
    if packed.stored_bytes != part.stored_bytes:
        raise CommandFailed(
            f"{where} has {packed.stored_bytes} bytes instead of {part.stored_bytes}: use another backup"
        )
    if (packed.stored_sha256, packed.content_sha256) != (part.stored_sha256, part.content_sha256):
        raise CommandFailed(f"{where} is altered: its checksum differs from the manifest's: use another backup")


def check_files(
    destination: Destination, manifest: Manifest, parts: Sequence[Part], identities: Sequence[Any] | None
) -> None:
    """Read every byte of these parts. Raises CommandFailed for one that is missing, truncated or altered."""
    if manifest.recipients and identities is None:
        raise CommandFailed("the backup is encrypted: give the file of an identity with --identity")
    for part in parts:
        read_part(destination, manifest, part, Nothing(), identities)


def check_schema(manifest: Manifest) -> None:
    """Raise CommandFailed if the backup's schema is later than this code."""
    check_revision(manifest.schema, f"the backup {manifest.backup_id}")


def check_server(part: Part, engine: str, version: str, setting: str) -> None:
    """Raise CommandFailed for a server of another engine, or of an older major version, than the backup's."""
    if SAME.get(part.engine, part.engine) != SAME.get(engine, engine):
        raise CommandFailed(f"{setting}: the backup is of {part.engine}, and this is {engine}: use {part.engine}")
    size = MAJOR_PARTS.get(engine)
    if size and part.engine == engine and _numbers(version)[:size] < _numbers(part.engine_version)[:size]:
        needed = ".".join(map(str, _numbers(part.engine_version)[:size]))
        raise CommandFailed(
            f"{setting}: the backup is of {engine} {part.engine_version}, and the server is the older {version}: "
            f"use {engine} {needed} or later"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdecimal())
