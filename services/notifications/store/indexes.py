"""The declaration of a collection with its indexes and its validator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import ASCENDING, IndexModel

EXPIRY = IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)
"""Deletes each document at the time in its own field, so that a changed retention time needs no new index."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and its indexes. A comment beside each index names the query that it serves without a sort.

    The validator is a JSON schema of MongoDB's kind. A change of either needs a migration: `trivet db generate`.

    A write to a durable collection is acknowledged when most members have it on disk. A write to another collection is
    acknowledged when the primary has it in memory.
    """

    name: str
    indexes: tuple[IndexModel, ...]
    is_durable: bool = True
    validator: Mapping[str, Any] = field(default_factory=dict, hash=False)


def types(**fields: str) -> Mapping[str, Any]:
    """Return a validator: the BSON types that these fields have where they are set."""
    return {"bsonType": "object", "properties": {name: {"bsonType": each} for name, each in fields.items()}}
