"""Mail that waits for a server that refuses us, by a worker on a database with a clock of the tests'."""

import ssl
from datetime import timedelta
from email.headerregistry import Address

from runtime.background.backoff import RetryPolicy
from services.notifications.delivery.email.settings import SmtpServer
from services.notifications.delivery.email.smtp import Mailer
from services.notifications.delivery.worker import MAX_HOLD, DeliveryWorker
from tests.conformance.notifications.conftest import SEALED_MAIL, House
from tests.conformance.notifications.delivery.test_queue import post, stored
from tests.harness.peers.smtp import MailServer, mail_server

SENDER = Address("Trivet", addr_spec="noreply@trivet.example")


def _delivery(at: House, server: MailServer) -> DeliveryWorker:
    mailer = Mailer(SmtpServer("127.0.0.1", server.port), SENDER, ssl.create_default_context(), timeout=10)
    return DeliveryWorker(at.queue, SEALED_MAIL, mailer, RetryPolicy(attempts=1), clock=at.clock)


async def test_mail_that_nobody_may_send_is_given_up_after_five_days(at: House) -> None:
    with mail_server() as server:
        server.post.sender = "550 5.7.1 not you"
        delivery = _delivery(at, server)
        await post(at, "1")
        for ages, status in ((timedelta(), "queued"), (MAX_HOLD - timedelta(hours=1), "queued"), (MAX_HOLD, "failed")):
            at.clock.now = at.clock.now + ages
            claim = await at.queue.claim()
            assert claim is not None
            assert claim.attempts == 1
            await delivery._deliver(claim)
            row = await stored(at, claim)
            assert row["status"] == status
            assert row["lastError"] == "the mail server rejected the sender TRIVET_MAIL_FROM: 550 5.7.1"
        assert "mail" not in row
