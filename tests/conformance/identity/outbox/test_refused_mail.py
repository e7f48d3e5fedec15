"""A receiver over gRPC that refuses one mail of three, with each code that once stopped them all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from runtime.errors import Unavailable
from services.identity.outbox.backlog import Backlog, MessageFilter
from services.identity.outbox.mail import TOPIC, Mail, MailOutbox
from services.identity.outbox.outbox import Outbox
from services.identity.outbox.outbox_subscribers import subscribers
from services.identity.store.database import Transaction
from tests.conformance.identity.conftest import SEALER, Identity
from trivet.client import Channel, Signer, connect
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import (
    NotificationServiceServicer,
    add_NotificationServiceServicer_to_server,
)

SIGNER = Signer("identity", {"notifications": bytes(32)})


class Notifications(NotificationServiceServicer):
    """Takes mails, but for one address."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code
        self.taken: list[str] = []

    async def CreateNotification(self, request: CreateNotificationRequest, context: Any) -> Notification:
        if request.notification.email.to == "poison@x.io":
            await context.abort(self._code, "words of a library")
        self.taken.append(request.notification.email.to)
        return request.notification


@asynccontextmanager
async def serving(code: grpc.StatusCode) -> AsyncIterator[tuple[Notifications, Channel]]:
    servicer, server = Notifications(code), aio.server()  # type: ignore[abstract]  # the other RPCs are not called
    add_NotificationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}", "notifications", SIGNER) as channel:
            yield servicer, channel
    finally:
        await server.stop(None)


async def _put(identity: Identity, *addresses: str) -> None:
    """Put mails as a process does that is killed before it sends them itself."""
    writer = Outbox(identity.database, identity.cache, now=identity.clock)

    async def work(transaction: Transaction) -> None:
        for to in addresses:
            await MailOutbox(writer, SEALER).put(
                transaction, Mail("ann", to, "account.tests", "Title", "Subject", "Text")
            )

    await identity.database.transaction("tests.put", work)


@pytest.mark.parametrize("name", ["INTERNAL", "UNKNOWN", "DATA_LOSS", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"])
async def test_one_refused_mail_stops_no_other_and_waits_for_its_next_attempt(identity: Identity, name: str) -> None:
    async with serving(grpc.StatusCode[name]) as (servicer, channel):
        outbox = Outbox(identity.database, identity.cache, subscribers(channel, SEALER), now=identity.clock)
        await _put(identity, "poison@x.io", "ann@x.io", "bob@x.io")
        assert await outbox.relay() == 2
        assert servicer.taken == ["ann@x.io", "bob@x.io"]
        [note] = await Backlog(identity.database).list(MessageFilter(topic=TOPIC), 10)
        assert (note.attempts, note.cause, note.is_parked) == (1, name, False)
        servicer.taken.clear()
        await _put(identity, "eve@x.io")
        assert await outbox.relay() == 1
        [note] = await Backlog(identity.database).list(MessageFilter(topic=TOPIC), 10)
        assert note.attempts == 1, "its pause is not over"


@pytest.mark.parametrize("name", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
async def test_a_receiver_that_is_away_costs_no_mail_an_attempt(identity: Identity, name: str) -> None:
    async with serving(grpc.StatusCode[name]) as (_, channel):
        outbox = Outbox(identity.database, identity.cache, subscribers(channel, SEALER), now=identity.clock)
        await _put(identity, *["poison@x.io"] * 3)
        for _ in range(3):
            with pytest.raises(Unavailable, match="the notifications service does not answer"):
                await outbox.relay()
        found = await Backlog(identity.database).list(MessageFilter(topic=TOPIC), 10)
        assert [(note.attempts, note.is_parked) for note in found] == [(0, False)] * 3
