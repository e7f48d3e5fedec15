"""The notifications service: notifications, preferences, mail delivery, logs and audit events, in MongoDB."""
