"""The collections of the inbox."""

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.notifications.store.indexes import EXPIRY, Collection
from services.notifications.store.personal_data import PersonalData

NOTIFICATIONS = Collection(
    "notifications",
    (
        # A user's notifications, newest first; the id makes the order total, for page tokens.
        IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
        # The unread count: it holds unread ones alone, so counting is a walk over what is counted.
        IndexModel(
            [("userId", ASCENDING), ("expiresAt", ASCENDING)], name="unread", partialFilterExpression={"read": False}
        ),
        # One row per request id and caller.
        IndexModel(
            [("caller", ASCENDING), ("requestId", ASCENDING)],
            name="by_request",
            unique=True,
            partialFilterExpression={"requestId": {"$exists": True}},
        ),
        # Notifications whose delivery is not in its own collection yet; almost always empty.
        IndexModel(
            [("delivery.status", ASCENDING)],
            name="undelivered",
            partialFilterExpression={"delivery.status": {"$exists": True}},
        ),
        # Notifications that an older version stored with the state of their mail; empty after the migration.
        IndexModel([("status", ASCENDING)], name="unmigrated", partialFilterExpression={"status": {"$exists": True}}),
        EXPIRY,
    ),
)
PREFERENCES = Collection(
    "preferences",
    (
        # A user's preferences, a page of an export after another; each has an id made of user, topic and type.
        IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
    ),
)
COLLECTIONS = (NOTIFICATIONS, PREFERENCES)
PERSONAL_DATA = (
    PersonalData("notification", NOTIFICATIONS, "createdAt"),
    PersonalData("preference", PREFERENCES, "createdAt", expires=False),
)
