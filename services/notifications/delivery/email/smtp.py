"""Sends one mail to the mail server."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from services.notifications.delivery.email.addresses import wire_address
from services.notifications.delivery.email.message import LINE_BREAK, Email
from services.notifications.delivery.email.settings import SmtpServer
from services.notifications.delivery.email.smtp_replies import (
    PermanentFailureError,
    SmtpStep,
    TransientFailureError,
    classify_reply,
)

QUIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail, the id for its Message-ID header, and the time for its Date header."""

    email: Email
    id: str
    written_at: datetime


class Mailer:
    """Sends each mail over its own connection, within `timeout` seconds."""

    def __init__(self, server: SmtpServer, sender: Address, tls: ssl.SSLContext, *, timeout: float) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls
        self._timeout = timeout

    async def send(self, mail: OutgoingMail) -> None:
        """Send the mail. Return once the server has accepted it.

        Raises PermanentFailureError if the server will never accept this mail. Raises TransientFailureError if a later
        attempt can succeed: the server is unreachable, does not prove its identity, or rejects the mail for now. Raises
        SenderRejectedError, which is transient too, if the server rejects this installation.
        """
        to = _wire_address(mail.email.to)
        message = compose(mail, self._sender)
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout):
                await _connect(client)
                await _hand_over(client, self._sender.addr_spec, to, message)
        except TimeoutError:
            raise TransientFailureError("the mail server did not answer in time") from None
        finally:
            await _quit(client)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password.get_secret_value() or None,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=None if server.is_plain else self._tls,
            timeout=self._timeout,
        )


def _wire_address(address: str) -> str:
    try:
        return wire_address(address)
    except ValueError:
        raise PermanentFailureError("the domain of the recipient's address is not a valid host name") from None


def compose(mail: OutgoingMail, sender: Address) -> EmailMessage:
    """Return the mail with its headers.

    Raises PermanentFailureError for a line break in a header, and for a domain that is not a host name.
    """
    email = mail.email
    to = _wire_address(email.to)
    if LINE_BREAK.search(email.subject + to):
        raise PermanentFailureError("the subject or the address contains a line break")
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Date"] = format_datetime(mail.written_at)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = email.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.text)
    if email.html:
        message.add_alternative(email.html, subtype="html")
    return message


async def _connect(client: aiosmtplib.SMTP) -> None:
    try:
        await client.connect()
    except SMTPAuthenticationError as error:
        raise classify_reply(error, SmtpStep.LOGIN) from None
    except SMTPResponseException as error:
        raise classify_reply(error, SmtpStep.GREETING) from None
    except (SMTPException, OSError, ValueError) as error:
        cause = error.__cause__ if isinstance(error, SMTPConnectError) else error
        raise TransientFailureError(_why_unreachable(cause or error)) from None


async def _hand_over(client: aiosmtplib.SMTP, sender: str, to: str, message: EmailMessage) -> None:
    try:
        await client.send_message(message, sender=sender, recipients=[to])
    except SMTPRecipientsRefused as error:
        raise classify_reply(error.recipients[0], SmtpStep.RECIPIENT) from None
    except SMTPSenderRefused as error:
        raise classify_reply(error, SmtpStep.SENDER) from None
    except SMTPResponseException as error:
        raise classify_reply(error, SmtpStep.MAIL) from None
    except (SMTPNotSupported, ValueError):
        raise PermanentFailureError("the mail server does not accept addresses of this form") from None
    except (SMTPException, OSError) as error:
        raise TransientFailureError(_why_unreachable(error)) from None


def _why_unreachable(error: BaseException) -> str:
    """Return the reason without a driver's text, which can quote hosts and the server's replies."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the mail server's certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "the TLS handshake with the mail server failed: check the port and scheme of TRIVET_SMTP_URL"
        case SMTPException() if "STARTTLS" in str(error):
            return "the mail server does not offer STARTTLS, which TRIVET_SMTP_URL requires"
        case SMTPException() if "AUTH" in str(error) or "authentication" in str(error):
            return "the mail server offers no login: remove user and password from TRIVET_SMTP_URL"
        case TimeoutError():
            return "the mail server did not answer in time"
        case _:
            return f"the mail server is unreachable: {type(error).__name__}"


async def _quit(client: aiosmtplib.SMTP) -> None:
    """End the SMTP session if it is open. A failure here does not affect the mail."""
    if client.is_connected:
        with contextlib.suppress(SMTPException, OSError):
            async with asyncio.timeout(QUIT_SECONDS):
                await client.quit()
    client.close()
