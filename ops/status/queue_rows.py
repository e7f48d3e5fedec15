"""The row of each queue: how much waits, how old the oldest is, and what was lost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ops.status.samples import Samples, Window

MAIL_REFUSED = "the mail server refuses the sender or the login: check TRIVET_SMTP_URL and TRIVET_MAIL_FROM"


@dataclass(frozen=True)
class QueueRow:
    """One queue. `lost` counts what was given up since its process started. None is not known."""

    name: str
    waiting: float | None = None
    oldest_seconds: float | None = None
    lost: float | None = None
    remedy: str = ""


def queue_rows(windows: Mapping[str, Window]) -> list[QueueRow]:
    """Return the queues of all processes that answer."""
    rows = []
    if identity := windows.get("identity"):
        rows += [*_outbox(identity.after), _hashing(identity.after)]
    if notifications := windows.get("notifications"):
        rows.append(_mail(notifications.after))
    rows += [_request_log(name, each.after) for name, each in windows.items() if name.startswith("gateway")]
    return rows


def _outbox(samples: Samples) -> Iterator[QueueRow]:
    parked = samples.by("trivet_outbox_parked", "topic")
    length = samples.by("trivet_outbox_length", "topic")
    oldest = samples.by("trivet_outbox_lag_seconds", "topic")
    for topic in sorted({*parked, *oldest}):
        lost = parked.get(topic, 0.0)
        remedy = f"`trivet outbox list --parked --topic {topic}`, then `trivet outbox retry`" if lost else ""
        yield QueueRow(f"outbox {topic}", length.get(topic), oldest.get(topic), lost, remedy)


def _hashing(samples: Samples) -> QueueRow:
    shed = samples.total("trivet_hashing_shed_total")
    return QueueRow("password hashing", samples.largest("trivet_hashing_waiting"), lost=shed)


def _mail(samples: Samples) -> QueueRow:
    return QueueRow(
        "mail",
        samples.largest("trivet_mail_queue_length"),
        samples.largest("trivet_mail_queue_oldest_seconds"),
        samples.total("trivet_mails_failed_total"),
        MAIL_REFUSED if samples.largest("trivet_mail_sender_refused") else "",
    )


def _request_log(process: str, samples: Samples) -> QueueRow:
    lost = samples.total("trivet_request_log_dropped_total")
    remedy = "notifications cannot take the request log: see its row" if lost else ""
    waiting = samples.largest("trivet_request_log_waiting")
    return QueueRow(f"request log of {process}", waiting, lost=lost, remedy=remedy)
