"""The settings of the mail server, the sender and the retries."""

import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import ip_address
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr, model_validator

from runtime.background.backoff import RetryPolicy
from runtime.settings import Settings, from_env
from services.notifications.delivery.email.message import ADDRESS, LINE_BREAK

PORTS = {"smtp": 587, "smtps": 465}
SHAPE = "must be smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server. The connection uses TLS, required STARTTLS, or neither. An empty `user` means no login."""

    host: str
    port: int
    tls: bool = False
    starttls: bool = False
    user: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))

    @property
    def is_plain(self) -> bool:
        return not (self.tls or self.starttls)


class MailSettings(Settings):
    """The settings of mail. Without TRIVET_SMTP_URL, development keeps mail and production rejects it."""

    smtp_url: SecretStr = from_env(
        "TRIVET_SMTP_URL",
        default=SecretStr(""),
        description="The mail server: smtp://USER:PASSWORD@HOST:587 with STARTTLS (unless on loopback or with "
        "?starttls=off), or smtps://USER:PASSWORD@HOST:465 with TLS. Unset, development keeps mail and production "
        "rejects it.",
    )
    smtp_ca_file: str = from_env(
        "TRIVET_SMTP_CA_FILE",
        default="",
        description="A file of CA certificates (PEM) that the mail server is checked against, instead of the system's.",
    )
    mail_from: str = from_env(
        "TRIVET_MAIL_FROM",
        default="",
        description="The sender of all mail: ADDRESS or NAME <ADDRESS>. Required with TRIVET_SMTP_URL.",
    )
    mail_timeout_seconds: float = from_env(
        "TRIVET_MAIL_TIMEOUT_SECONDS",
        default=30,
        ge=0.1,
        le=600,
        description="The time limit for sending one mail, in seconds.",
    )
    mail_attempts: int = from_env(
        "TRIVET_MAIL_ATTEMPTS",
        default=12,
        ge=1,
        le=100,
        description="The number of attempts per mail. The default of 12 takes about an hour.",
    )
    mail_retry_seconds: float = from_env(
        "TRIVET_MAIL_RETRY_SECONDS",
        default=5,
        ge=0.05,
        le=900,
        description="The pause after the first failed attempt, in seconds. It doubles each time, up to 15 minutes.",
    )
    mail_at_once: int = from_env(
        "TRIVET_MAIL_AT_ONCE",
        default=4,
        ge=1,
        le=64,
        description="The number of mails that a process sends concurrently.",
    )

    @model_validator(mode="after")
    def _names_a_server_that_can_be_used(self) -> Self:
        if not self.sends_mail:
            return self
        server = self.smtp_server
        if self.is_production and server.is_plain and not _is_loopback(server.host):
            raise ValueError(
                "TRIVET_SMTP_URL: ?starttls=off would send mail unencrypted, so it is not allowed in production"
            )
        if server.is_plain and self.smtp_ca_file:
            raise ValueError("TRIVET_SMTP_CA_FILE has no effect without TLS: unset it, or use TLS in TRIVET_SMTP_URL")
        if not self.mail_from:
            raise ValueError("TRIVET_MAIL_FROM must be set if TRIVET_SMTP_URL is set")
        _ = self.mail_sender, self.smtp_tls
        return self

    @property
    def sends_mail(self) -> bool:
        return bool(self.smtp_url.get_secret_value())

    @property
    def smtp_server(self) -> SmtpServer:
        """The parsed TRIVET_SMTP_URL. Raises ValueError, whose text never quotes the URL."""
        try:
            return _server(self.smtp_url.get_secret_value())
        except ValueError as error:
            raise ValueError(f"TRIVET_SMTP_URL {error}") from None

    @property
    def smtp_tls(self) -> ssl.SSLContext:
        """The TLS context, which checks the certificate and the host name. Raises ValueError."""
        try:
            return ssl.create_default_context(cafile=self.smtp_ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"TRIVET_SMTP_CA_FILE is not a readable file of PEM certificates: {error}") from None

    @property
    def mail_sender(self) -> Address:
        [(name, address), *others] = getaddresses([self.mail_from]) or [("", "")]
        if others or LINE_BREAK.search(self.mail_from) or not (ADDRESS.fullmatch(address) and address.isascii()):
            raise ValueError("TRIVET_MAIL_FROM must be one line: ADDRESS or NAME <ADDRESS>")
        return Address(name, addr_spec=address)

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(self.mail_attempts, timedelta(seconds=self.mail_retry_seconds))

    @property
    def mail_lease(self) -> timedelta:
        """The lease of a claim: the time for an attempt, plus 30 s for marking it and for differing clocks."""
        return timedelta(seconds=self.mail_timeout_seconds + 30)


def _server(url: str) -> SmtpServer:
    """Parse the URL. Raises ValueError with a text that continues the setting's name."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ValueError(SHAPE) from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(SHAPE)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    starttls = options.pop("starttls", "off" if _is_loopback(parts.hostname) else "required")
    if options or starttls not in ("required", "off") or (parts.scheme == "smtps" and parts.query):
        raise ValueError("accepts only the option ?starttls=required or ?starttls=off, and only with smtp://")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isprintable():
        raise ValueError("must have both a user and a password, or neither")
    is_tls = parts.scheme == "smtps"
    return SmtpServer(parts.hostname, port, is_tls, not is_tls and starttls == "required", user, SecretStr(password))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
