"""Looking through the logs, or long lists, of a slow store leaves room for everybody's notifications."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from runtime.errors import ServiceError, Unavailable
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from services.notifications.inbox.preferences import Preferences
from services.notifications.logs.query import LogFilter, LogReader
from services.notifications.store.mongo import Store, open_store
from services.notifications.store.query_slots import AT_ONCE, LONG_PAGES, QuerySlots
from services.notifications.store.tombstones import Tombstones
from tests.conformance.notifications.conftest import SEALED_MAIL, as_stored, failing
from tests.harness.stores.engines import Engine
from tests.harness.waiting import in_time, until

POOL = 5
FLOOD = 30
SLOW_MS = 1_000
DAY = timedelta(days=1)


@pytest.fixture
async def slow(own_server: Engine) -> AsyncIterator[Store]:
    """A store that takes a second for every search of ours, and few connections to it."""
    async with open_store(f"{own_server.url}/trivet", pool_size=POOL) as store:
        await until(lambda: store.is_prepared, 10)
        async with failing(own_server, "find", blockConnection=True, blockTimeMS=SLOW_MS):
            yield store


async def outcome(reader: LogReader) -> tuple[ServiceError | None, float]:
    """Look through the logs; return what that failed with, and how many seconds it took."""
    began = time.monotonic()
    try:
        await reader.query(LogFilter(), encode=as_stored, size=1)
    except ServiceError as error:
        return error, time.monotonic() - began
    return None, time.monotonic() - began


async def flood(store: Store, slots: QuerySlots) -> tuple[float, list[tuple[ServiceError | None, float]]]:
    """Ask for many log entries at once; return how long a count of notifications takes meanwhile, and the outcomes."""
    tombstones = Tombstones(store, ttl=DAY)
    notifications = Notifications(
        store, MailPolicy(SEALED_MAIL), Deliveries(store), tombstones, Preferences(store, tombstones), ttl=DAY
    )
    reader = LogReader(store, DAY, slots=slots)
    queries = [asyncio.create_task(outcome(reader)) for _ in range(FLOOD)]
    await asyncio.sleep(0)  # each query runs up to its first wait
    began = time.monotonic()
    with suppress(ServiceError):  # what matters is how long it took to hear of it
        await notifications.count_unread("ann")
    taken = time.monotonic() - began
    return taken, list(await asyncio.gather(*queries))


async def test_a_flood_of_log_queries_leaves_notifications_their_connections(slow: Store) -> None:
    """R9: two look at a time; the others are told soon when to come back."""
    taken, outcomes = await flood(slow, QuerySlots())
    refused = [(error, seconds) for error, seconds in outcomes if error is not None]
    in_time(taken, 0, SLOW_MS / 1_000 / 2)  # below what it takes without turns
    assert len(refused) == FLOOD - AT_ONCE
    for error, seconds in refused:
        assert isinstance(error, Unavailable)
        assert (error.reason, error.retry_after) == ("LOG_QUERIES_BUSY", 1.0)
        in_time(seconds, 0, SLOW_MS / 1_000)


async def test_without_turns_a_count_waits_until_the_store_is_given_up(slow: Store) -> None:
    """R9 with the protection off: the searches hold every connection."""
    taken, _ = await flood(slow, QuerySlots(FLOOD))
    assert taken >= SLOW_MS / 1_000 / 2


async def flood_of_lists(store: Store, size: int) -> tuple[float, list[ServiceError | None]]:
    """Ask for many pages at once; return how long a count of notifications takes meanwhile, and the failures."""
    tombstones = Tombstones(store, ttl=DAY)
    notifications = Notifications(
        store, MailPolicy(SEALED_MAIL), Deliveries(store), tombstones, Preferences(store, tombstones), ttl=DAY
    )

    async def page() -> ServiceError | None:
        try:
            await notifications.page(Selection("ann"), size=size, encode=as_stored)
        except ServiceError as error:
            return error
        return None

    pages = [asyncio.create_task(page()) for _ in range(FLOOD)]
    await asyncio.sleep(0)  # each runs up to its first wait
    began = time.monotonic()
    with suppress(ServiceError):  # what matters is how long it took to hear of it
        await notifications.count_unread("ann")
    return time.monotonic() - began, list(await asyncio.gather(*pages))


async def test_a_flood_of_long_pages_leaves_other_calls_their_connections(slow: Store) -> None:
    """Clients that ask for long pages and read none of them take two connections at most."""
    taken, failures = await flood_of_lists(slow, 1_000)
    in_time(taken, 0, SLOW_MS / 1_000 / 2)  # below what it takes without turns
    refused = [error for error in failures if error is not None]
    assert len(refused) == FLOOD - AT_ONCE
    assert {error.reason for error in refused} == {"TOO_MANY_READS"}


async def test_without_turns_of_long_pages_a_count_waits_until_the_store_is_given_up(slow: Store) -> None:
    """The protection off."""
    slow.long_pages = QuerySlots(FLOOD, busy=LONG_PAGES)
    taken, _ = await flood_of_lists(slow, 1_000)
    assert taken >= SLOW_MS / 1_000 / 2


async def test_a_page_of_the_usual_size_waits_for_no_turn(slow: Store) -> None:
    """People's lists are never refused because of long ones."""
    async with slow.long_pages.slot(), slow.long_pages.slot():
        _, failures = await flood_of_lists(slow, 20)
    assert {error.reason for error in failures if error is not None} <= {"STORE_UNAVAILABLE"}
    assert None in failures
