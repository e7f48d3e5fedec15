"""The identity service: users, credentials and sessions, in a relational database."""
