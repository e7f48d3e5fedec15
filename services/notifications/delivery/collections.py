"""The collection of deliveries."""

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.notifications.store.indexes import EXPIRY, Collection, types
from services.notifications.store.personal_data import PersonalData

DELIVERIES = Collection(
    "deliveries",
    (
        # A notification has one delivery per channel and target.
        IndexModel(
            [("notificationId", ASCENDING), ("channel", ASCENDING), ("target", ASCENDING)],
            name="by_notification",
            unique=True,
        ),
        # A user's deliveries, newest first, for an export.
        IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
        # Mail that development keeps. Empty in production.
        IndexModel(
            [("status", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)],
            name="kept_mail",
            partialFilterExpression={"status": "kept"},
        ),
        # Pending deliveries, by the time of the next attempt. Only a pending delivery has that time.
        IndexModel(
            [("nextAttemptAt", ASCENDING)],
            name="due",
            partialFilterExpression={"nextAttemptAt": {"$exists": True}},
        ),
        EXPIRY,
    ),
    validator=types(
        notificationId="string",
        userId="string",
        status="string",
        createdAt="date",
        nextAttemptAt="date",
        expiresAt="date",
    ),
)
COLLECTIONS = (DELIVERIES,)
PERSONAL_DATA = (PersonalData("delivery", DELIVERIES, "createdAt"),)
