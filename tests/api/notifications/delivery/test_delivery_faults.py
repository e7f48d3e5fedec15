"""Mail through crashes, beside other workers and at a clean stop: at least once, and no more than the promise says."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from runtime.clock import utc_now
from tests.api.notifications.conftest import Api
from tests.api.notifications.delivery.mailing import Office, new_database, office, sending
from tests.conftest import Engines
from tests.harness.metrics import metric
from tests.harness.peers.smtp import mail_server
from tests.harness.ports import free_port
from tests.harness.processes import client
from tests.harness.waiting import until
from trivet.notifications.v1 import notification_service_pb2 as pb


async def let_the_lease_run_out(sender: Office) -> None:
    """Do as if its time had passed."""
    await sender.rows.update_many({"status": "sending"}, {"$set": {"nextAttemptAt": utc_now()}})


@pytest.mark.parametrize(("place", "times"), [("before_send", 1), ("after_send", 2)])
async def test_a_mail_whose_worker_was_killed_is_sent_once_more_at_most(
    engine: Engines, place: str, times: int
) -> None:
    """R2, kill -9 between the server's yes and the mark: twice, never lost; before the server was asked: once."""
    uri = new_database(engine)
    with mail_server() as server:
        with sending(uri, server.url(), TRIVET_FAILPOINTS=f"notifications.{place}=crash") as doomed:
            async with client(doomed) as channel, AsyncMongoClient[dict[str, Any]](uri) as store:
                rows = store.get_default_database().deliveries
                made = await Office(doomed, Api(channel), rows).post("Once")
                await asyncio.to_thread(doomed.popen.wait, 10)
        assert len(server.post.mails) == times - 1
        with sending(uri, server.url()) as running:
            async with client(running) as channel, AsyncMongoClient[dict[str, Any]](uri) as store:
                sender = Office(running, Api(channel), store.get_default_database().deliveries)
                assert (await sender.row(made))["status"] == "sending"
                await let_the_lease_run_out(sender)
                assert (await sender.becomes(made, "sent"))["attempts"] == 2
        assert server.post.subjects == ["Once"] * times
        assert len({mail["message-id"] for mail in server.post.mails}) == 1


async def test_a_mail_that_kills_its_worker_each_time_is_given_up(engine: Engines) -> None:
    """R24: tries are counted before the mail is sent."""
    uri = new_database(engine)
    with mail_server() as server:
        async with AsyncMongoClient[dict[str, Any]](uri) as store:
            rows = store.get_default_database().deliveries
            with sending(uri, server.url(), TRIVET_FAILPOINTS="notifications.before_send=crash") as doomed:
                async with client(doomed) as channel:
                    made = await Office(doomed, Api(channel), rows).post()
                    await asyncio.to_thread(doomed.popen.wait, 10)
            await rows.update_many({}, {"$set": {"attempts": 12, "nextAttemptAt": utc_now()}})
            with sending(uri, server.url()) as running:
                async with client(running) as channel:
                    row = await Office(running, Api(channel), rows).becomes(made, "failed")
        assert "mail" not in row
        assert server.post.mails == []


async def test_two_workers_send_each_mail_once(engine: Engines) -> None:
    uri = new_database(engine)
    with mail_server() as server, sending(uri, server.url()) as one, sending(uri, server.url()) as other:
        async with client(one) as first, client(other) as second, AsyncMongoClient[dict[str, Any]](uri) as store:
            rows = store.get_default_database().deliveries
            offices = [Office(one, Api(first), rows), Office(other, Api(second), rows)]
            made = await asyncio.gather(*(offices[number % 2].post(f"{number}") for number in range(40)))
            for each in made:
                await offices[0].becomes(each, "sent")
    assert sorted(server.post.subjects, key=int) == [f"{number}" for number in range(40)]


async def test_a_clean_stop_lets_what_is_being_sent_finish_and_begins_nothing_new(
    engine: Engines, tmp_path: Path
) -> None:
    """R10."""
    gate = tmp_path / "gate"
    uri = new_database(engine)
    with mail_server() as server:
        extra = {"TRIVET_FAILPOINTS": f"notifications.after_send=pause:{gate}", "TRIVET_MAIL_AT_ONCE": "1"}
        async with AsyncMongoClient[dict[str, Any]](uri) as store:
            rows = store.get_default_database().deliveries
            with sending(uri, server.url(), TRIVET_GRACE_SECONDS="10", **extra) as running:
                async with client(running) as channel:
                    sender = Office(running, Api(channel), rows)
                    first, second = await sender.post("1"), await sender.post("2")
                    await until(lambda: gate.with_name("gate.reached").exists(), 10)
                running.popen.terminate()
                await until(lambda: not _accepts(running.port), 10)
                gate.touch()
                assert await asyncio.to_thread(running.popen.wait, 15) == 0
            statuses = {row["notificationId"]: row["status"] async for row in rows.find()}
        assert statuses == {first: "sent", second: "queued"}
        assert server.post.subjects == ["1"]


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_mark_that_the_store_does_not_take_is_tried_until_it_does(engine: Engines, tmp_path: Path) -> None:
    """R22: the mail is not sent again because MongoDB was away for a moment."""
    gate = tmp_path / "gate"
    with mail_server() as server:
        points = {"TRIVET_FAILPOINTS": f"notifications.after_send=pause:{gate}"}
        async with office(engine, server, TRIVET_MONGODB_TIMEOUT_MS="300", **points) as sender:
            made = await sender.post()
            await until(lambda: gate.with_name("gate.reached").exists(), 10)
            admin = sender.rows.database.client.admin
            fails = {"failCommands": ["update"], "errorCode": 91, "closeConnection": False}
            await admin.command("configureFailPoint", "failCommand", mode={"times": 4}, data=fails)
            try:
                gate.touch()
                await sender.becomes(made, "sent")
            finally:
                await admin.command("configureFailPoint", "failCommand", mode="off")
        assert len(server.post.mails) == 1


async def test_what_waits_is_measured(engine: Engines) -> None:
    uri, port = new_database(engine), free_port()
    nowhere = f"smtp://127.0.0.1:{free_port()}"
    slow = {"TRIVET_MAIL_RETRY_SECONDS": "600"}
    async with AsyncMongoClient[dict[str, Any]](uri) as store:
        rows = store.get_default_database().deliveries
        with sending(uri, nowhere, **slow) as first:
            async with client(first) as channel:
                sender = Office(first, Api(channel), rows)
                made = [await sender.post(), await sender.post()]
                for each in made:
                    await sender.becomes(each, "queued")
        await rows.update_many({}, {"$set": {"createdAt": utc_now() - timedelta(hours=1)}})
        with sending(uri, nowhere, TRIVET_METRICS_PORT=str(port), **slow):

            async def is_measured() -> bool:
                return await metric(port, "trivet_mail_queue_length") == 2

            await until(is_measured, 15)
            assert 3_600 <= await metric(port, "trivet_mail_queue_oldest_seconds") < 3_700


async def test_a_mail_that_the_last_version_queued_is_sent_by_this_one(engine: Engines) -> None:
    """The last version kept its state inside the notification."""
    uri = new_database(engine)
    async with AsyncMongoClient[dict[str, Any]](uri) as store:
        database = store.get_default_database()
        with sending(uri, f"smtp://127.0.0.1:{free_port()}") as first:
            async with client(first) as channel:
                made = await Office(first, Api(channel), database.deliveries).post("Once")
        delivery = await database.deliveries.find_one_and_delete({"notificationId": made})
        assert delivery is not None
        former = {key: delivery[key] for key in ("mail", "attempts")} | {"status": "queued", "nextAttemptAt": utc_now()}
        await database.notifications.update_one({"_id": made}, {"$set": former})
        with mail_server() as server, sending(uri, server.url()) as running:
            async with client(running) as channel:
                sender = Office(running, Api(channel), database.deliveries)
                await sender.becomes(made, "sent")
                request = pb.GetNotificationRequest(notification_id=made)
                assert (await sender.api.notifications.GetNotification(request)).HasField("send_time")
        assert server.post.subjects == ["Once"]
