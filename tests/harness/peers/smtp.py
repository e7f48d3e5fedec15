"""A real mail server for tests: in plain text, by STARTTLS or by TLS, with or without a login; it answers as told."""

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.harness.ports import free_port

USER, PASSWORD = "trivet", "the-mail-password"
OK = "250 OK"


@dataclass
class MailOutbox:
    """What a server was given, and what it answers: the answers in turn, and then always OK. None is never.

    `sender` is what it answers to every MAIL FROM, and `senders` how often it did.
    """

    wants_login: bool = False
    sender: str = OK
    senders: int = 0
    rcpt: list[str] = field(default_factory=list)
    data: list[str | None] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str | None, list[str]]] = field(default_factory=list)
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    were_encrypted: list[bool] = field(default_factory=list)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.senders += 1
        if self.sender == OK:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.wants_login and not session.authenticated:  # aiosmtpd's own way of this warns without TLS
            return "530 5.7.0 Authentication required"
        self.asked += 1
        answer = self.rcpt.pop(0) if self.rcpt else OK
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            answer = self.data.pop(0) if self.data else OK
            if answer is None:
                await asyncio.Event().wait()
            elif answer == OK:
                assert isinstance(envelope.content, bytes)
                assert server.transport is not None
                self.were_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
                self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
                self.mails.append(message_from_bytes(envelope.content, policy=default))
            return answer or OK
        finally:
            self.at_once -= 1

    @property
    def subjects(self) -> list[str]:
        return [str(mail["subject"]) for mail in self.mails]


@dataclass(frozen=True)
class MailServer:
    """A running server, its address, and the file of the authority that vouches for it."""

    post: MailOutbox
    port: int
    ca_file: Path

    def url(self, scheme: str = "smtp", credentials: str = "", options: str = "", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{credentials}{'@' * bool(credentials)}{host}:{self.port}{options}"


@contextmanager
def mail_server(
    *,
    tls: str = "none",
    login: bool = False,
    names: tuple[str, ...] = ("127.0.0.1",),
    port: int | None = None,
    utf8: bool = True,
) -> Iterator[MailServer]:
    """Run a server. `tls` is none, starttls or tls; `names` are those in its certificate; `utf8` is SMTPUTF8."""
    authority, post, port = trustme.CA(), MailOutbox(wants_login=login), port or free_port()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    options: dict[str, Any] = {"enable_SMTPUTF8": utf8}
    if login:
        options |= {"authenticator": _authenticated, "auth_require_tls": tls == "starttls"}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    with tempfile.TemporaryDirectory(prefix="trivet-smtp-") as folder:
        ca_file = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        with _served_by_a_thread(lambda: SMTP(post, **options), port, context if tls == "tls" else None):
            yield MailServer(post, port, ca_file)


@contextmanager
def _served_by_a_thread(factory: Callable[[], SMTP], port: int, context: ssl.SSLContext | None) -> Iterator[None]:
    """Run the server in an event loop of its own: what is tested may block, or end, its own."""
    listens, loops = threading.Event(), []
    ended = asyncio.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loops.append(loop)
        async with await loop.create_server(factory, "127.0.0.1", port, ssl=context):
            listens.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert listens.wait(10), "the mail server did not come up"
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(10)


def _authenticated(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=is_right)
