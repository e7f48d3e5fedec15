"""The collection of log entries."""

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.notifications.store.indexes import EXPIRY, Collection, types
from services.notifications.store.personal_data import PersonalData

LOGS = Collection(
    "logs",
    (
        # The level is in the key, so that entries of other levels are passed over without being fetched.
        IndexModel([("timestamp", DESCENDING), ("_id", DESCENDING), ("level", ASCENDING)], name="by_time"),
        IndexModel([("userId", ASCENDING), ("timestamp", DESCENDING), ("_id", DESCENDING)], name="by_user"),
        IndexModel(
            [("endpoint", ASCENDING), ("method", ASCENDING), ("timestamp", DESCENDING), ("_id", DESCENDING)],
            name="by_route",
        ),
        EXPIRY,
    ),
    is_durable=False,
    validator=types(userId="string", level="string", timestamp="date", expiresAt="date"),
)
COLLECTIONS = (LOGS,)
PERSONAL_DATA = (PersonalData("log", LOGS, "timestamp"),)
