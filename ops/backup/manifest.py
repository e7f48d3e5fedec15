"""The manifest of a backup: what it holds, and the counts and checksums by which a restore is compared with it."""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ops.errors import CommandFailed

FORMAT = 1
FILE = "manifest.json"
TIME = "%Y%m%dT%H%M%S%f"
BACKUP_ID = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Checksum:
    """How many rows a table has, or documents a collection, and the SHA-256 of them in the order of their key."""

    name: str
    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup, and what it was made from.

    `content` is what the engine's tool wrote, `stored` the file: that content compressed, and encrypted if the backup
    has recipients.
    """

    store: str
    file: str
    engine: str
    engine_version: str
    content_bytes: int
    content_sha256: str
    stored_bytes: int
    stored_sha256: str
    checksums: tuple[Checksum, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole backup.

    `key_id` names the key that identity's secrets at rest are sealed with; empty if it is unknown. `recipients` are
    public age keys; empty if the parts are not encrypted.
    """

    backup_id: str
    version: str
    schema: str
    began_at: str
    sql_snapshot_at: str
    ended_at: str
    key_id: str
    recipients: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def of(self, store: str) -> list[Part]:
        """Return the parts of one store: sql, mongodb or redis."""
        return [part for part in self.parts if part.store == store]

    @property
    def stored_bytes(self) -> int:
        return sum(part.stored_bytes for part in self.parts)

    def encode(self) -> bytes:
        """Return the manifest as JSON that ends with a checksum of the rest."""
        body: dict[str, Any] = {"format": FORMAT} | asdict(self)
        return json.dumps(body | {"checksum": _checksum(body)}, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, where: str) -> "Manifest":
        """Read a manifest. Raises CommandFailed if it is damaged or of a later format."""
        try:
            body = json.loads(data)
            checksum = body.pop("checksum")
        except (ValueError, KeyError, AttributeError, TypeError):
            raise CommandFailed(f"{where} is damaged: it is not the JSON that `trivet backup create` writes") from None
        if checksum != _checksum(body):
            raise CommandFailed(f"{where} is damaged: it was changed after it was written")
        if body.pop("format") != FORMAT:
            raise CommandFailed(f"{where} was written by a later version of Trivet: use that version")
        parts = tuple(
            Part(**{**part, "checksums": tuple(Checksum(**each) for each in part["checksums"])})
            for part in body.pop("parts")
        )
        recipients, notes = tuple(body.pop("recipients")), tuple(body.pop("notes"))
        return cls(parts=parts, recipients=recipients, notes=notes, **body)


def new_backup_id(now: datetime) -> str:
    """Return an id that sorts by time: the moment to the millisecond, and 8 random digits."""
    return f"{now.astimezone(UTC).strftime(TIME)[:-3]}Z-{secrets.token_hex(4)}"


def time_of(backup_id: str) -> datetime:
    """Return when the backup of this id began."""
    return datetime.strptime(backup_id.partition("Z")[0], TIME).replace(tzinfo=UTC)


def differences(expected: Sequence[Checksum], found: Sequence[Checksum]) -> list[str]:
    """Return a line for each table or collection that differs."""
    by_name = {each.name: each for each in found}
    lines = []
    for each in expected:
        other = by_name.get(each.name, Checksum(each.name, 0, ""))
        if other.count != each.count:
            lines.append(f"{each.name} has {other.count} rows instead of {each.count}")
        elif other != each:
            lines.append(f"{each.name} has {each.count} rows, but not the same ones")
    return lines


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
