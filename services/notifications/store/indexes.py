"""The indexes, by name: each serves the queries named beside it, in their order, without a sort."""

from pymongo import ASCENDING, DESCENDING, IndexModel

NOTIFICATIONS = (
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
    # Mail that development keeps; empty in production.
    IndexModel(
        [("status", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)],
        name="kept_mail",
        partialFilterExpression={"status": "kept"},
    ),
    # Mail that is to be sent, and when: only what is not done has that time.
    IndexModel(
        [("nextAttemptAt", ASCENDING)],
        name="due_mail",
        partialFilterExpression={"nextAttemptAt": {"$exists": True}},
    ),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
)

PREFERENCES = (
    # A user's preferences, a page of an export after another; each has an id made of user, topic and type.
    IndexModel([("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="by_user"),
)

LOGS = (
    # The level is in the key, so that entries of other levels are passed over without being fetched.
    IndexModel([("timestamp", DESCENDING), ("_id", DESCENDING), ("level", ASCENDING)], name="by_time"),
    IndexModel([("userId", ASCENDING), ("timestamp", DESCENDING), ("_id", DESCENDING)], name="by_user"),
    IndexModel(
        [("endpoint", ASCENDING), ("method", ASCENDING), ("timestamp", DESCENDING), ("_id", DESCENDING)],
        name="by_route",
    ),
    # Each entry carries its own end, by its level: another TTL in the settings needs no other index.
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
)

AUDIT = (
    IndexModel([("time", DESCENDING), ("_id", DESCENDING)], name="by_time"),
    IndexModel([("userId", ASCENDING), ("time", DESCENDING), ("_id", DESCENDING)], name="by_user"),
    IndexModel([("kind", ASCENDING), ("time", DESCENDING), ("_id", DESCENDING)], name="by_kind"),
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
)

ERASURES = (IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),)

ALL = {"notifications": NOTIFICATIONS, "preferences": PREFERENCES, "logs": LOGS, "audit": AUDIT, "erasures": ERASURES}
"""By collection."""
