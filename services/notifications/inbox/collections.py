"""The collections of the inbox."""

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.notifications.store.indexes import EXPIRY, Collection, types
from services.notifications.store.personal_data import PersonalData

NOTIFICATIONS = Collection(
    "notifications",
    (
        # A user's notifications, newest first. The id makes the order total, for page tokens.
        IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
        # The unread count. The index holds unread notifications alone, so a count scans only what it counts.
        IndexModel(
            [("userId", ASCENDING), ("expiresAt", ASCENDING)], name="unread", partialFilterExpression={"read": False}
        ),
        # One notification per caller and request id.
        IndexModel(
            [("caller", ASCENDING), ("requestId", ASCENDING)],
            name="by_request",
            unique=True,
            partialFilterExpression={"requestId": {"$exists": True}},
        ),
        # Notifications whose delivery has not been moved to its own collection yet. Almost always empty.
        IndexModel(
            [("delivery.status", ASCENDING)],
            name="undelivered",
            partialFilterExpression={"delivery.status": {"$exists": True}},
        ),
        # Notifications that an older version stored with the state of their mail. Empty after the migration.
        IndexModel([("status", ASCENDING)], name="unmigrated", partialFilterExpression={"status": {"$exists": True}}),
        EXPIRY,
    ),
    validator=types(userId="string", read="bool", createdAt="date", expiresAt="date"),
)
PREFERENCES = Collection(
    "preferences",
    (
        # A user's preferences, for the pages of an export. The id of each is made of channel, topic and user.
        IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
    ),
    validator=types(userId="string", topic="string", enabled="bool", createdAt="date"),
)
COLLECTIONS = (NOTIFICATIONS, PREFERENCES)
PERSONAL_DATA = (
    PersonalData("notification", NOTIFICATIONS, "createdAt"),
    PersonalData("preference", PREFERENCES, "createdAt", expires=False),
)
