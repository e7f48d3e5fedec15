"""What the outbox delivers, and who receives it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Invalidates tags in the cache; returns whether every cache has confirmed.

Raises Unavailable if the cache service is unreachable, and DeliveryRejectedError if it rejects the tags.
"""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that waits for delivery.

    `key` says what it is about, for example a user id. `attempts` counts its rejected deliveries. `due_at` is the time
    of the next delivery, None for a message that was just written.
    """

    id: int
    key: str
    payload: str
    created_at: datetime
    attempts: int = 0
    due_at: datetime | None = None


Deliver = Callable[[Sequence[OutboxMessage]], Awaitable[None]]
"""Delivers messages. When it returns, the receiver has confirmed all of them. A message can be delivered twice.

Raises Unavailable if the receiver is unreachable, and DeliveryRejectedError if it rejects one of the messages.
"""


@dataclass(slots=True)
class Invalidation:
    """An invalidation after a transaction. `confirmed` is true once every cache has confirmed it.

    If it is false when `Database.transaction` returns, the relay continues until the caches confirm.
    """

    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The receiver of a topic's messages, up to `batch` in one call.

    `at_once`: a message is also delivered directly after its commit, in the background.
    """

    deliver: Deliver
    batch: int = 1
    at_once: bool = False
