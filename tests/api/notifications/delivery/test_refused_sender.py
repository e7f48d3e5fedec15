"""A mail server that refuses us, not the mail: nothing is given up, and the log says what to mend."""

import pytest

from tests.api.notifications.delivery.mailing import office
from tests.conftest import Engines
from tests.harness.metrics import metric
from tests.harness.peers.smtp import OK, mail_server
from tests.harness.ports import free_port
from tests.harness.waiting import until

REFUSED = "550 5.7.1 <noreply@trivet.example>: Sender address rejected"


async def test_mail_waits_while_the_sender_is_refused_and_is_sent_once_it_is_not(engine: Engines) -> None:
    """More tries are refused than a mail has, so that any that was counted would give one up."""
    port = free_port()
    extra = {"TRIVET_MAIL_ATTEMPTS": "2", "TRIVET_METRICS_PORT": str(port), "TRIVET_MAIL_AT_ONCE": "1"}
    with mail_server() as server:
        server.post.sender = REFUSED
        async with office(engine, server, **extra) as sender:
            made = [await sender.post(f"{number}") for number in range(3)]
            await until(lambda: server.post.senders >= 6, 30)
            for each in made:
                row = await sender.becomes(each, "queued")
                assert "mail" in row
            assert await metric(port, "trivet_mail_sender_refused") == 1
            output = sender.process.output()
            server.post.sender = OK
            for each in made:
                assert (await sender.becomes(each, "sent", 30))["attempts"] == 1
            assert await metric(port, "trivet_mail_sender_refused") == 0
            assert await metric(port, "trivet_mails_failed_total") == 0
        assert sorted(server.post.subjects) == ["0", "1", "2"]
    loud = [line for line in output.splitlines() if "all mail waits" in line]
    assert len(loud) == 1
    assert "the mail server rejected the sender TRIVET_MAIL_FROM: 550 5.7.1: check TRIVET_MAIL_FROM" in loud[0]
    assert "Sender address rejected" in loud[0]


async def test_a_server_that_refuses_us_is_asked_with_one_mail_after_growing_pauses(engine: Engines) -> None:
    """The control: without a pause each of the mails would knock, again and again."""
    with mail_server() as server:
        server.post.sender = REFUSED
        async with office(engine, server, TRIVET_MAIL_RETRY_SECONDS="30") as sender:
            made = [await sender.post(f"{number}") for number in range(20)]
            await until(lambda: "all mail waits" in sender.process.output(), 10)
            await sender.becomes(made[-1], "queued")
            assert 1 <= server.post.senders <= 4, "as many as were under way"


@pytest.mark.parametrize("step", ["rcpt", "data"])
async def test_a_relay_that_is_denied_to_us_keeps_the_mail_and_stops_no_other(engine: Engines, step: str) -> None:
    with mail_server() as server:
        getattr(server.post, step).extend(["554 5.7.1 <ann@example.com>: Relay access denied"])
        async with office(engine, server, TRIVET_MAIL_ATTEMPTS="1", TRIVET_MAIL_RETRY_SECONDS="2") as sender:
            kept = await sender.post("kept")
            await until(lambda: "this mail waits" in sender.process.output(), 10)
            await sender.becomes(await sender.post("other"), "sent")
            assert "mail" in await sender.becomes(kept, "queued")
            await sender.becomes(kept, "sent")
            assert "ann@example.com" not in sender.process.output()
        assert server.post.subjects == ["other", "kept"]
