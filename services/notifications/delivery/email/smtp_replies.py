"""Classifies a mail server's rejection: temporary, permanent, or of this installation."""

import re
from enum import Enum

from aiosmtplib.errors import SMTPResponseException

FIRST_PERMANENT_CODE = 500
MAX_REPLY_TEXT = 200
# RFC 3463's code at the start of a reply. The text after it is the server's own, and can quote anything.
ENHANCED_CODE = re.compile(r"[245]\.(\d{1,3})\.(\d{1,3})\b")
LOGIN_CODES = (530, 534, 535, 538)  # RFC 4954
TOO_LARGE = 552
# Details of RFC 3463's subjects that name the sender or its host: RFC 3463 and 4954, RFC 7372 (DKIM, SPF, reverse DNS),
# RFC 7505 (no mail for the sender's domain).
BAD_SENDER = {(1, 7), (1, 8), *((7, detail) for detail in (8, 9, 10, 11, *range(20, 28)))}
BAD_MAIL = {(2, 3), (3, 4)}  # larger than this server accepts
MEDIA = 6  # the subject of codes about the form of a message
SECURITY = 7  # the subject that servers also use for rules about recipients and contents
NAMES_SENDER = re.compile(
    r"\b(?:spf|dkim|dmarc|relay\w*|sender|helo|ehlo|ptr|rdns|reverse dns|client host|authenticat\w*"
    r"|block ?list\w*|black ?list\w*|dnsbl|spamhaus|reputation)\b|\b\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
ANY_ADDRESS = re.compile(r"\S+@\S+")


class TransientFailureError(Exception):
    """The mail was not accepted, or the outcome is unknown. The text gives the reason, and contains no secret."""


class SenderRejectedError(TransientFailureError):
    """The server rejects this installation, not the mail: its sender, its host, or its login.

    `is_for_all` means that the rejection came before the server knew a recipient, so it applies to every mail.
    `reply_text` is the server's own text. It cannot quote a recipient: it is empty if the server knew one.
    """

    def __init__(self, why: str, *, is_for_all: bool, reply_text: str = "") -> None:
        super().__init__(why)
        self.is_for_all = is_for_all
        self.reply_text = reply_text


class PermanentFailureError(Exception):
    """The server will never accept this mail. The text gives the reason, and contains no secret."""


class SmtpStep(Enum):
    """The step of the SMTP session that was rejected, in the words of the errors."""

    GREETING = "the connection"
    LOGIN = "the user or password of TRIVET_SMTP_URL"
    SENDER = "the sender TRIVET_MAIL_FROM"
    RECIPIENT = "the recipient"
    MAIL = "the message"


def classify_reply(error: SMTPResponseException, step: SmtpStep) -> TransientFailureError | PermanentFailureError:
    """Return the error for a rejection at this step."""
    enhanced = ENHANCED_CODE.match(error.message)
    why = f"the mail server rejected {step.value}: {error.code}{f' {enhanced[0]}' if enhanced else ''}"
    if error.code < FIRST_PERMANENT_CODE:
        return TransientFailureError(why)
    code = (int(enhanced[1]), int(enhanced[2])) if enhanced else None
    if step in (SmtpStep.GREETING, SmtpStep.LOGIN, SmtpStep.SENDER):
        if step is SmtpStep.SENDER and _is_about_mail(error.code, code):
            return PermanentFailureError(why)
        reply_text = "" if step is SmtpStep.LOGIN else _printable(error.message)
        return SenderRejectedError(why, is_for_all=True, reply_text=reply_text)
    if _is_about_sender(error.code, code, error.message):
        return SenderRejectedError(why, is_for_all=False)
    return PermanentFailureError(why)


def _is_about_mail(code: int, enhanced: tuple[int, int] | None) -> bool:
    """Return whether MAIL FROM was rejected for its parameters: the size or the form of this mail."""
    return code == TOO_LARGE or (enhanced is not None and (enhanced in BAD_MAIL or enhanced[0] == MEDIA))


def _is_about_sender(code: int, enhanced: tuple[int, int] | None, message: str) -> bool:
    """Return whether a rejection after MAIL FROM is of this installation: its sender, host or login."""
    if code in LOGIN_CODES or enhanced in BAD_SENDER:
        return True
    # Many servers send only 5.7.1, or no enhanced code. Then their text decides.
    if enhanced is None or enhanced[0] == SECURITY:
        return NAMES_SENDER.search(ANY_ADDRESS.sub("", message)) is not None
    return False


def _printable(message: str) -> str:
    return "".join(letter if letter.isascii() and letter.isprintable() else " " for letter in message)[:MAX_REPLY_TEXT]
