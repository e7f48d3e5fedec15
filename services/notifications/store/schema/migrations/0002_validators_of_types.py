"""Validators of types."""

from services.notifications.store.schema.changes import Migration, SetValidator

migration = Migration(
    number=2,
    name="validators of types",
    release="0.1.0",
    changes=(
        SetValidator(
            "audit",
            {
                "bsonType": "object",
                "properties": {
                    "userId": {"bsonType": "string"},
                    "kind": {"bsonType": "string"},
                    "time": {"bsonType": "date"},
                    "expiresAt": {"bsonType": "date"},
                },
            },
            {},
        ),
        SetValidator(
            "deliveries",
            {
                "bsonType": "object",
                "properties": {
                    "notificationId": {"bsonType": "string"},
                    "userId": {"bsonType": "string"},
                    "status": {"bsonType": "string"},
                    "createdAt": {"bsonType": "date"},
                    "nextAttemptAt": {"bsonType": "date"},
                    "expiresAt": {"bsonType": "date"},
                },
            },
            {},
        ),
        SetValidator(
            "erasures",
            {"bsonType": "object", "properties": {"erasedAt": {"bsonType": "date"}, "expiresAt": {"bsonType": "date"}}},
            {},
        ),
        SetValidator(
            "logs",
            {
                "bsonType": "object",
                "properties": {
                    "userId": {"bsonType": "string"},
                    "level": {"bsonType": "string"},
                    "timestamp": {"bsonType": "date"},
                    "expiresAt": {"bsonType": "date"},
                },
            },
            {},
        ),
        SetValidator(
            "notifications",
            {
                "bsonType": "object",
                "properties": {
                    "userId": {"bsonType": "string"},
                    "read": {"bsonType": "bool"},
                    "createdAt": {"bsonType": "date"},
                    "expiresAt": {"bsonType": "date"},
                },
            },
            {},
        ),
        SetValidator(
            "preferences",
            {
                "bsonType": "object",
                "properties": {
                    "userId": {"bsonType": "string"},
                    "topic": {"bsonType": "string"},
                    "enabled": {"bsonType": "bool"},
                    "createdAt": {"bsonType": "date"},
                },
            },
            {},
        ),
    ),
)
