"""Idempotency keys: the response to a request id is stored for a day and returned again."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import insert, select

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.ids import new_id
from services.identity.store.database import Database, Transaction
from services.identity.store.tables import requests

KEPT = timedelta(days=1)
MAX_LENGTH = 128


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an idempotency key: the caller, the key, and a hash of the body.

    The hashed body must not contain a secret, because a fast hash can be reversed by guessing.
    """

    caller: str
    request_id: str
    body_hash: str


def request(caller: str, request_id: str, *body: str | None) -> IdempotentRequest | None:
    """Return the request of an idempotency key, None without a key. Raises InvalidArgument (INVALID_REQUEST_ID)."""
    if not request_id:
        return None
    if len(request_id) > MAX_LENGTH or not request_id.isascii() or not request_id.isprintable() or " " in request_id:
        raise InvalidArgument(
            "INVALID_REQUEST_ID", f"request_id must be up to {MAX_LENGTH} visible ASCII characters", field="request_id"
        )
    return IdempotentRequest(caller, request_id, hashlib.sha256(json.dumps(body).encode()).hexdigest())


def reused() -> FailedPrecondition:
    return FailedPrecondition(
        "REQUEST_ID_REUSED", "request_id was used with another body: use a new request_id for a new request"
    )


class IdempotencyKeys:
    """The idempotency keys in a database."""

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def answer(self, asked: IdempotentRequest) -> str | None:
        """Return the stored answer, None for a new request.

        Raises FailedPrecondition (REQUEST_ID_REUSED) if the key was used with another body.
        """
        row = await self._database.row(
            "requests.find",
            select(requests.c.body_hash, requests.c.answer).where(
                requests.c.caller == asked.caller, requests.c.request_id == asked.request_id
            ),
        )
        if row is None:
            return None
        if row.body_hash != asked.body_hash:
            raise reused()
        return str(row.answer)

    async def keep(self, transaction: Transaction, asked: IdempotentRequest, answer: str) -> None:
        """Store the answer in the transaction of its effect. Raises DuplicateError if a concurrent call was first."""
        now = self._now()
        await transaction.execute(
            insert(requests).values(
                id=new_id(),
                created_at=now,
                updated_at=now,
                caller=asked.caller,
                request_id=asked.request_id,
                body_hash=asked.body_hash,
                answer=answer,
                expires_at=now + KEPT,
            )
        )
