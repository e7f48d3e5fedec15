"""How a domain declares a collection with its indexes."""

from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel

EXPIRY = IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)
"""Deletes each document at the time that it carries, so that a new TTL in the settings needs no other index."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and its indexes, by name. Beside each index stands the query that it serves without a sort.

    A write to a durable collection is acknowledged once most members have it on disk; to another, once the primary
    has it.
    """

    name: str
    indexes: tuple[IndexModel, ...]
    is_durable: bool = True
