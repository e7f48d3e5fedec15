"""The collection of audit events."""

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.notifications.store.indexes import EXPIRY, Collection, types
from services.notifications.store.personal_data import PersonalData

AUDIT = Collection(
    "audit",
    (
        IndexModel([("time", DESCENDING), ("_id", DESCENDING)], name="by_time"),
        IndexModel([("userId", ASCENDING), ("time", DESCENDING), ("_id", DESCENDING)], name="by_user"),
        IndexModel([("kind", ASCENDING), ("time", DESCENDING), ("_id", DESCENDING)], name="by_kind"),
        EXPIRY,
    ),
    validator=types(userId="string", kind="string", time="date", expiresAt="date"),
)
COLLECTIONS = (AUDIT,)
# An erasure keeps the event without its personal part. Until an event expires, the audit must show what was done to an
# account, when, and by which account, also after the account is deleted. The user id is random and identifies no one.
PERSONAL_DATA = (PersonalData("audit_event", AUDIT, "time", emptied_field="personal"),)
