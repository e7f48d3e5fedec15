"""The declaration of a collection with its indexes."""

from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel

EXPIRY = IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)
"""Deletes each document at the time in its own field, so that a changed retention time needs no new index."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and its indexes. A comment beside each index names the query that it serves without a sort.

    A write to a durable collection is acknowledged when most members have it on disk. A write to another collection is
    acknowledged when the primary has it in memory.
    """

    name: str
    indexes: tuple[IndexModel, ...]
    is_durable: bool = True
