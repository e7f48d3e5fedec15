"""Inserts that are idempotent, because a retry of the driver or a second process can repeat them."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from services.notifications.store.mongo import Document

DUPLICATE_KEY = 11_000


async def insert_missing(rows: AsyncCollection[Document], documents: Sequence[Document]) -> None:
    """Insert the documents. A document whose id is stored already is left unchanged.

    Raises the driver's errors, except for duplicate keys.
    """
    try:
        await rows.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        errors = error.details.get("writeErrors", [])
        if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE_KEY for one in errors):
            raise
