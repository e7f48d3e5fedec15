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
    """The mail server, reached by TLS, by required STARTTLS, or in plain text."""

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
    """How mail is sent. Without TRIVET_SMTP_URL development keeps mail, and production rejects it."""

    smtp_url: SecretStr = from_env(
        "TRIVET_SMTP_URL",
        default=SecretStr(""),
        description="smtp://USER:PASSWORD@HOST:587, by STARTTLS unless on loopback or ?starttls=off; or smtps://...:465.",
    )
    smtp_ca_file: str = from_env(
        "TRIVET_SMTP_CA_FILE", default="", description="Certificates (PEM) to trust instead of the system's."
    )
    mail_from: str = from_env(
        "TRIVET_MAIL_FROM", default="", description="Whom mail is from: ADDRESS or NAME <ADDRESS>."
    )
    mail_timeout_seconds: float = from_env(
        "TRIVET_MAIL_TIMEOUT_SECONDS", default=30, ge=0.1, le=600, description="How long the server has for one mail."
    )
    mail_attempts: int = from_env(
        "TRIVET_MAIL_ATTEMPTS",
        default=12,
        ge=1,
        le=100,
        description="How often a mail is tried, for an hour by default.",
    )
    mail_retry_seconds: float = from_env(
        "TRIVET_MAIL_RETRY_SECONDS",
        default=5,
        ge=0.05,
        le=900,
        description="The first pause before another try; each next one is twice as long, up to 15 minutes.",
    )
    mail_at_once: int = from_env(
        "TRIVET_MAIL_AT_ONCE", default=4, ge=1, le=64, description="How many mails are being sent at a time."
    )

    @model_validator(mode="after")
    def _names_a_server_that_can_be_used(self) -> Self:
        if not self.sends_mail:
            return self
        server = self.smtp_server
        if self.is_production and server.is_plain and not _is_loopback(server.host):
            raise ValueError("TRIVET_SMTP_URL: ?starttls=off is not for production: mail would be unencrypted")
        if server.is_plain and self.smtp_ca_file:
            raise ValueError("TRIVET_SMTP_CA_FILE is for a server that is reached by TLS")
        if not self.mail_from:
            raise ValueError("TRIVET_MAIL_FROM must be set beside TRIVET_SMTP_URL")
        _ = self.mail_sender, self.smtp_tls
        return self

    @property
    def sends_mail(self) -> bool:
        return bool(self.smtp_url.get_secret_value())

    @property
    def smtp_server(self) -> SmtpServer:
        """Raises ValueError, which quotes nothing of the URL."""
        try:
            return _server(self.smtp_url.get_secret_value())
        except ValueError as error:
            raise ValueError(f"TRIVET_SMTP_URL {error}") from None

    @property
    def smtp_tls(self) -> ssl.SSLContext:
        """Certificate and name are checked."""
        try:
            return ssl.create_default_context(cafile=self.smtp_ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"TRIVET_SMTP_CA_FILE cannot be read as certificates: {error}") from None

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
        """How long a worker has a mail for itself: a try, and what marking may take and clocks may differ."""
        return timedelta(seconds=self.mail_timeout_seconds + 30)


def _server(url: str) -> SmtpServer:
    """Raise ValueError with a sentence that follows the setting's name."""
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
        raise ValueError("takes ?starttls=required or ?starttls=off, with smtp:// alone")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isprintable():
        raise ValueError("must name a user and a password, or neither")
    is_tls = parts.scheme == "smtps"
    return SmtpServer(parts.hostname, port, is_tls, not is_tls and starttls == "required", user, SecretStr(password))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
