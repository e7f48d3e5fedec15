"""Inserts that can run twice: by a retry of the driver or by a second process."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from services.notifications.store.mongo import Document

DUPLICATE_KEY = 11_000


async def insert_missing(rows: AsyncCollection[Document], documents: Sequence[Document]) -> None:
    """Insert the documents, and leave those that are stored already as they are.

    Raises the driver's errors, but for duplicate keys.
    """
    try:
        await rows.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        errors = error.details.get("writeErrors", [])
        if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE_KEY for one in errors):
            raise
