"""Makes the document of a new notification, and compares it with that of an earlier request."""

from datetime import datetime, timedelta

from runtime.clock import to_milliseconds
from runtime.ids import new_id
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.inbox.draft import Draft
from services.notifications.store.mongo import Document

# The fields by which requests with one request id are compared. The mail is compared by its fingerprint.
REQUEST_FIELDS = ("userId", "type", "title", "message", "topic", "data")


def new_document(draft: Draft, caller: str, mail_policy: MailPolicy, *, ttl: timedelta, now: datetime) -> Document:
    """Return the document of a draft, with a new id. If the draft has a mail, the document contains its delivery."""
    document: Document = {
        "_id": new_id(),
        "userId": draft.user_id,
        "type": draft.channel,
        "title": draft.title,
        "message": draft.message,
        "topic": draft.topic,
        "data": draft.data,
        "read": False,
        "createdAt": now,
        "updatedAt": now,
        "expiresAt": to_milliseconds(now + (draft.ttl or ttl)),
    }
    if draft.email is not None:
        document |= mail_policy.new_delivery(draft.email, document["_id"], now)
    if draft.request_id:
        document |= {"caller": caller, "requestId": draft.request_id}
        if draft.email is not None:
            fingerprint = mail_policy.sealed_mail.fingerprint(draft.email, caller, draft.request_id)
            document["fingerprint"] = fingerprint
    return document


def is_same_request(first: Document, again: Document, email: Email | None, mail_policy: MailPolicy) -> bool:
    """Return whether two documents with one request id come from the same draft."""
    is_same = all(first.get(key) == again.get(key) for key in REQUEST_FIELDS) and _lifetime(first) == _lifetime(again)
    if is_same and email is not None:
        request = (again["caller"], again["requestId"])
        is_same = mail_policy.sealed_mail.is_same(first["fingerprint"], email, *request)
    return is_same


def _lifetime(document: Document) -> timedelta:
    expires_at: datetime = document["expiresAt"]
    created_at: datetime = document["createdAt"]
    return expires_at - created_at
