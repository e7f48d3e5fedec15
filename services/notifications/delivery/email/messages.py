"""Encodes kept mail as messages of mailbox_service.proto."""

from dataclasses import asdict

from runtime.clock import timestamp
from services.notifications.delivery.email.mailbox import KeptMail, links
from trivet.notifications.v1 import mailbox_service_pb2 as pb


def encode_mailbox_message(kept: KeptMail) -> pb.MailboxMessage:
    email = kept.email
    return pb.MailboxMessage(
        **asdict(email), links=links(email.html, email.text), create_time=timestamp(kept.created_at)
    )
