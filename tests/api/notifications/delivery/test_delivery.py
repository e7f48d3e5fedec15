"""Mail is sent to a real server: by which way, with which headers, and what happens when it is not taken."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC

import pytest

from tests.api.notifications.delivery.mailing import QUICK, office
from tests.conftest import Engines
from tests.harness.metrics import metric
from tests.harness.peers.smtp import PASSWORD, USER, mail_server
from tests.harness.ports import free_port
from tests.harness.waiting import until
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.mailbox_service_pb2 import ListMailboxMessagesRequest


@pytest.mark.parametrize(
    ("tls", "scheme", "options"),
    [("none", "smtp", ""), ("starttls", "smtp", "?starttls=required"), ("tls", "smtps", "")],
)
async def test_a_mail_is_sent_once_by_each_way_with_a_login(
    engine: Engines, tls: str, scheme: str, options: str
) -> None:
    with mail_server(tls=tls, login=True) as server:
        url = server.url(scheme, f"{USER}:{PASSWORD}", options)
        trust = {} if tls == "none" else {"TRIVET_SMTP_CA_FILE": str(server.ca_file)}
        async with office(engine, url, **trust) as sender:
            row = await sender.becomes(await sender.post("Hello"), "sent")
            assert row["sentAt"] >= row["createdAt"]
            assert row["attempts"] == 1
            assert "mail" not in row
        assert server.post.subjects == ["Hello"]
        assert server.post.were_encrypted == [tls != "none"]
        assert server.post.envelopes == [("noreply@trivet.example", ["ann@example.com"])]


async def test_a_mail_has_its_headers_and_both_bodies_whatever_the_language(engine: Engines) -> None:
    with mail_server() as server:
        async with office(engine, server) as sender:
            made = await sender.post("Grüße 🙂 " + "x" * 150, text="Zeile\n.\nÄ" + "y" * 2_000, html="<p>Ä</p>")
            await sender.becomes(made, "sent")
            shown = await sender.api.notifications.GetNotification(pb.GetNotificationRequest(notification_id=made))
        [mail] = server.post.mails
        assert mail["message-id"] == f"<{made}@trivet.example>"
        assert mail["from"] == "Trivet <noreply@trivet.example>"
        assert mail["to"] == "ann@example.com"
        assert mail["subject"] == "Grüße 🙂 " + "x" * 150
        assert mail["auto-submitted"] == "auto-generated"
        assert mail["date"].datetime == shown.create_time.ToDatetime(tzinfo=UTC).replace(microsecond=0)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert plain is not None
        assert html is not None
        assert plain.get_content().replace("\r\n", "\n").rstrip("\n") == "Zeile\n.\nÄ" + "y" * 2_000
        assert html.get_content().strip() == "<p>Ä</p>"
        assert shown.HasField("send_time")


async def test_an_address_beyond_ascii_is_written_to(engine: Engines) -> None:
    with mail_server() as server:
        async with office(engine, server) as sender:
            await sender.becomes(await sender.post(to="josé@example.com"), "sent")
        assert server.post.envelopes[0][1] == ["josé@example.com"]


async def test_an_international_domain_needs_no_server_that_knows_it(engine: Engines) -> None:
    """B10: the domain goes out in A-labels; SMTPUTF8 is for a local part alone."""
    with mail_server(utf8=False) as server:
        async with office(engine, server) as sender:
            for to in ("x@münchen.example", "r&d@x.io", "root@localhost"):
                await sender.becomes(await sender.post(to=to), "sent")
        recipients = ["x@xn--mnchen-3ya.example", "r&d@x.io", "root@localhost"]
        assert [to for _, [to] in server.post.envelopes] == recipients
        assert [mail["to"] for mail in server.post.mails] == recipients
    with mail_server() as server:
        async with office(engine, server) as sender:
            await sender.becomes(await sender.post(to="jörg@münchen.example"), "sent")
        assert server.post.envelopes[0][1] == ["jörg@xn--mnchen-3ya.example"]


async def test_a_mail_that_is_not_taken_now_is_tried_again_and_arrives_once(engine: Engines) -> None:
    with mail_server() as server:
        server.post.rcpt += ["451 4.7.1 greylisted, ask ann@example.com"]
        server.post.data += ["452 4.3.1 full"]
        async with office(engine, server) as sender:
            row = await sender.becomes(await sender.post(), "sent")
        assert row["attempts"] == 3
        assert "lastError" not in row
        assert len(server.post.mails) == 1


@pytest.mark.parametrize("step", ["rcpt", "data"])
async def test_a_mail_that_is_refused_for_good_is_given_up_and_erased(engine: Engines, step: str) -> None:
    with mail_server() as server:
        getattr(server.post, step).append("550 5.1.1 no such user: ann@example.com")
        async with office(engine, server) as sender:
            row = await sender.becomes(await sender.post(), "failed")
            output = sender.process.output()
        what = {"rcpt": "the recipient", "data": "the message"}[step]
        assert row["lastError"] == f"the mail server rejected {what}: 550 5.1.1"
        assert row["attempts"] == 1
        assert "mail" not in row
        assert row["notificationId"] in output
        assert "ann@example.com" not in output
        assert server.post.mails == []


async def test_a_mail_that_is_never_taken_is_given_up_after_so_many_tries(engine: Engines) -> None:
    with mail_server() as server:
        server.post.rcpt += ["450 4.2.1 later"] * 9
        async with office(engine, server, TRIVET_MAIL_ATTEMPTS="3") as sender:
            row = await sender.becomes(await sender.post(), "failed")
        assert (row["attempts"], row["lastError"]) == (3, "the mail server rejected the recipient: 450 4.2.1")
        assert server.post.asked == 3


async def test_a_wrong_password_is_not_the_mails_fault_and_shows_nowhere(engine: Engines) -> None:
    """K1. The mail waits until the operator has mended it."""
    with mail_server(tls="starttls", login=True) as server:
        url = server.url(credentials=f"{USER}:hunter2-wrong", options="?starttls=required")
        async with office(engine, url, TRIVET_SMTP_CA_FILE=str(server.ca_file)) as sender:
            made = await sender.post()
            await until(lambda: "rejected the user or password of TRIVET_SMTP_URL" in sender.process.output(), 10)
            row = await sender.becomes(made, "queued")
            assert row["lastError"].startswith("the mail server rejected the user or password of TRIVET_SMTP_URL: 535")
            assert "mail" in row
            assert "hunter2" not in sender.process.output()
        assert server.post.mails == []


@pytest.mark.parametrize("wrong", ["authority", "name"])
@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_server_that_does_not_prove_who_it_is_gets_neither_password_nor_mail(
    engine: Engines, tls: str, wrong: str
) -> None:
    with mail_server(tls=tls, login=True, names=("mail.example.com",) if wrong == "name" else ("127.0.0.1",)) as server:
        trust = {"TRIVET_SMTP_CA_FILE": str(server.ca_file)} if wrong == "name" else {}
        way = ("smtps", "") if tls == "tls" else ("smtp", "?starttls=required")
        async with office(engine, server.url(way[0], f"{USER}:{PASSWORD}", way[1]), **trust) as sender:
            made = await sender.post()
            await until(lambda: "certificate is not trusted" in sender.process.output(), 10)
            assert "certificate" in (await sender.becomes(made, "queued"))["lastError"]
        assert server.post.asked == 0


async def test_a_server_without_starttls_gets_nothing_where_it_is_required(engine: Engines) -> None:
    """Whoever sits in between could take the offer out."""
    with mail_server() as server:
        async with office(engine, server.url(options="?starttls=required")) as sender:
            made = await sender.post()
            await until(lambda: "does not offer STARTTLS" in sender.process.output(), 10)
            assert "STARTTLS" in (await sender.becomes(made, "queued"))["lastError"]
        assert server.post.asked == 0


async def test_mail_waits_for_a_server_that_is_away(engine: Engines) -> None:
    port = free_port()
    async with office(engine, f"smtp://127.0.0.1:{port}") as sender:
        made = await sender.post()
        await until(lambda: "mail server is unreachable" in sender.process.output(), 10)
        with mail_server(port=port) as server:
            await sender.becomes(made, "sent")
        assert len(server.post.mails) == 1


@contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in taken:
            connection.close()


async def test_a_hung_server_is_given_up_in_time_and_holds_up_nothing_else(engine: Engines) -> None:
    """R3: the mail is tried again, and calls are answered meanwhile."""
    with silent_server() as port:
        async with office(engine, f"smtp://127.0.0.1:{port}", TRIVET_MAIL_TIMEOUT_SECONDS="0.5") as sender:
            made = await sender.post()
            await until(lambda: "did not answer in time" in sender.process.output(), 10)
            await sender.api.notifications.CountUnread(pb.CountUnreadRequest(user_id="ann"), timeout=1)
            assert (await sender.row(made))["attempts"] >= 1


async def test_what_is_sent_put_off_given_up_and_waiting_is_counted(engine: Engines) -> None:
    port = free_port()
    with mail_server() as server:
        server.post.rcpt += ["450 later", "250 OK", "550 no"]
        async with office(engine, server, TRIVET_METRICS_PORT=str(port), TRIVET_MAIL_AT_ONCE="1") as sender:
            await sender.becomes(await sender.post("1"), "sent")
            await sender.becomes(await sender.post("2"), "failed")
            counts = [await metric(port, f"trivet_mails_{name}_total") for name in ("sent", "retried", "failed")]
            assert counts == [1, 1, 1]
            assert await metric(port, "trivet_mail_queue_length") == 0
            assert await metric(port, "trivet_mail_queue_oldest_seconds") == 0


async def test_no_more_than_so_many_are_sent_at_a_time(engine: Engines) -> None:
    with mail_server() as server:
        async with office(engine, server, TRIVET_MAIL_AT_ONCE="2") as sender:
            made = [await sender.post(f"{number}") for number in range(10)]
            for each in made:
                await sender.becomes(each, "sent")
        assert sorted(server.post.subjects) == [f"{number}" for number in range(10)]
        assert server.post.most_at_once <= 2


async def test_development_with_a_mail_server_sends_and_its_mailbox_stays_empty(engine: Engines) -> None:
    """What was sent is erased: the mailbox shows what would have been sent."""
    with mail_server() as server:
        async with office(engine, server) as sender:
            await sender.becomes(await sender.post(), "sent")
            box = await sender.api.mailbox.ListMailboxMessages(ListMailboxMessagesRequest())
        assert list(box.messages) == []


async def test_production_sends_too(engine: Engines) -> None:
    with mail_server(tls="tls") as server:
        extra = {"TRIVET_ENV": "production", "TRIVET_SMTP_CA_FILE": str(server.ca_file), **QUICK}
        async with office(engine, server.url("smtps"), **extra) as sender:
            await sender.becomes(await sender.post(), "sent")
