"""First indexes."""

from pymongo import IndexModel

from services.notifications.store.schema.changes import AddIndex, Migration

migration = Migration(
    number=1,
    name="first indexes",
    release="0.1.0",
    changes=(
        AddIndex("audit", IndexModel([("kind", 1), ("time", -1), ("_id", -1)], name="by_kind")),
        AddIndex("audit", IndexModel([("time", -1), ("_id", -1)], name="by_time")),
        AddIndex("audit", IndexModel([("userId", 1), ("time", -1), ("_id", -1)], name="by_user")),
        AddIndex("audit", IndexModel([("expiresAt", 1)], name="expiry", expireAfterSeconds=0)),
        AddIndex(
            "deliveries",
            IndexModel([("notificationId", 1), ("channel", 1), ("target", 1)], name="by_notification", unique=True),
        ),
        AddIndex("deliveries", IndexModel([("userId", 1), ("createdAt", -1), ("_id", -1)], name="by_user")),
        AddIndex(
            "deliveries",
            IndexModel(
                [("nextAttemptAt", 1)], name="due", partialFilterExpression={"nextAttemptAt": {"$exists": True}}
            ),
        ),
        AddIndex("deliveries", IndexModel([("expiresAt", 1)], name="expiry", expireAfterSeconds=0)),
        AddIndex(
            "deliveries",
            IndexModel(
                [("status", 1), ("createdAt", -1), ("_id", -1)],
                name="kept_mail",
                partialFilterExpression={"status": "kept"},
            ),
        ),
        AddIndex("erasures", IndexModel([("expiresAt", 1)], name="expiry", expireAfterSeconds=0)),
        AddIndex("logs", IndexModel([("endpoint", 1), ("method", 1), ("timestamp", -1), ("_id", -1)], name="by_route")),
        AddIndex("logs", IndexModel([("timestamp", -1), ("_id", -1), ("level", 1)], name="by_time")),
        AddIndex("logs", IndexModel([("userId", 1), ("timestamp", -1), ("_id", -1)], name="by_user")),
        AddIndex("logs", IndexModel([("expiresAt", 1)], name="expiry", expireAfterSeconds=0)),
        AddIndex(
            "notifications",
            IndexModel(
                [("caller", 1), ("requestId", 1)],
                name="by_request",
                unique=True,
                partialFilterExpression={"requestId": {"$exists": True}},
            ),
        ),
        AddIndex("notifications", IndexModel([("userId", 1), ("createdAt", -1), ("_id", -1)], name="by_user")),
        AddIndex("notifications", IndexModel([("expiresAt", 1)], name="expiry", expireAfterSeconds=0)),
        AddIndex(
            "notifications",
            IndexModel(
                [("delivery.status", 1)],
                name="undelivered",
                partialFilterExpression={"delivery.status": {"$exists": True}},
            ),
        ),
        AddIndex(
            "notifications",
            IndexModel([("status", 1)], name="unmigrated", partialFilterExpression={"status": {"$exists": True}}),
        ),
        AddIndex(
            "notifications",
            IndexModel([("userId", 1), ("expiresAt", 1)], name="unread", partialFilterExpression={"read": False}),
        ),
        AddIndex("preferences", IndexModel([("userId", 1), ("createdAt", -1), ("_id", -1)], name="by_user")),
    ),
)
