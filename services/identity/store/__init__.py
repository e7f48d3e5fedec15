"""The relational database: connections, transactions and what several domains share."""
