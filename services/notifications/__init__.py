"""The notifications service: notifications, kept mail and logs, in MongoDB."""
