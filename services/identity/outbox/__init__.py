"""The transactional outbox: messages to other services, written with the change that they belong to."""
