"""Whose fault a mail server's refusal is, by the answers that common servers give."""

import pytest
from aiosmtplib.errors import SMTPResponseException

from services.notifications.delivery.email.smtp_replies import (
    PermanentFailureError,
    SenderRejectedError,
    SmtpStep,
    TransientFailureError,
    classify_reply,
)

OURS = [
    (550, "5.7.1 Unable to relay for ann@example.com"),
    (554, "5.7.1 <ann@example.com>: Relay access denied"),
    (554, "5.7.1 <noreply@trivet.example>: Sender address rejected: not owned by user trivet"),
    (554, "5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.spamhaus.org"),
    (550, "5.7.1 SPF check: domain of trivet.example does not designate 203.0.113.7 as permitted sender"),
    (550, "5.7.26 Unauthenticated email from trivet.example is not accepted due to the domain's DMARC policy"),
    (550, "5.7.25 The IP address sending this message does not have a PTR record"),
    (550, "5.7.20 no valid signature"),
    (550, "5.7.509 Access denied, sending domain does not pass DMARC verification"),
    (550, "relay not permitted"),
    (550, "5.1.8 sender's domain does not exist"),
    (530, "5.7.0 Must issue a STARTTLS command first"),
    (530, "Authentication required"),
]
THE_MAILS = [
    (550, "5.1.1 no such user: ann@example.com"),
    (550, "no such user"),
    (550, "5.1.1 <relay@example.com>: Recipient address rejected"),
    (550, "5.1.1 the sender wrote to nobody"),
    (550, "no such user <sender@spf.example>"),
    (554, "5.7.1 this message looks like spam"),
    (550, "5.7.1 the recipient takes no mail"),
    (552, "5.2.2 mailbox full"),
    (552, "5.3.4 message too large"),
]


@pytest.mark.parametrize("step", [SmtpStep.RECIPIENT, SmtpStep.MAIL])
@pytest.mark.parametrize(("code", "message"), OURS)
def test_a_refusal_that_names_our_host_sender_or_login_is_ours(step: SmtpStep, code: int, message: str) -> None:
    """Many servers refuse a sender only when they know of a recipient."""
    error = classify_reply(SMTPResponseException(code, message), step)
    assert isinstance(error, SenderRejectedError)
    assert not error.is_for_all, "others may have better recipients"
    assert error.reply_text == "", "they may quote the recipient"


@pytest.mark.parametrize("step", [SmtpStep.RECIPIENT, SmtpStep.MAIL])
@pytest.mark.parametrize(("code", "message"), THE_MAILS)
def test_a_refusal_of_the_address_or_the_mail_is_for_good(step: SmtpStep, code: int, message: str) -> None:
    assert isinstance(classify_reply(SMTPResponseException(code, message), step), PermanentFailureError)


@pytest.mark.parametrize("step", [SmtpStep.GREETING, SmtpStep.LOGIN, SmtpStep.SENDER])
def test_a_refusal_before_any_recipient_is_ours_and_for_all_mail(step: SmtpStep) -> None:
    error = classify_reply(SMTPResponseException(550, "5.7.1 go away\x1b[0m\nand stay there"), step)
    assert isinstance(error, SenderRejectedError)
    assert error.is_for_all
    assert str(error) == f"the mail server rejected {step.value}: 550 5.7.1"
    assert error.reply_text == ("" if step is SmtpStep.LOGIN else "5.7.1 go away [0m and stay there")


@pytest.mark.parametrize(
    ("code", "message"), [(552, "too large"), (550, "5.3.4 too large"), (553, "5.6.7 no such sealed_mail")]
)
def test_a_sender_that_is_refused_for_this_mails_size_or_letters_is_the_mails_fault(code: int, message: str) -> None:
    assert isinstance(classify_reply(SMTPResponseException(code, message), SmtpStep.SENDER), PermanentFailureError)


@pytest.mark.parametrize("step", list(SmtpStep))
def test_what_may_be_gone_the_next_time_is_tried_again(step: SmtpStep) -> None:
    error = classify_reply(SMTPResponseException(451, "4.7.1 Client host [203.0.113.7] is greylisted"), step)
    assert type(error) is TransientFailureError
