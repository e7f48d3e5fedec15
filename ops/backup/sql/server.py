"""What MariaDB, MySQL and PostgreSQL share: a server that other sessions may use."""

from typing import ClassVar

from ops.backup.sql.database import SqlDatabase, drop_tables, refuse_sessions_of_others
from services.identity.store.engine.store_url import StoreUrl


class ServerBackup:
    """One database of a server. An engine adds how it is dumped, loaded and compared."""

    other_sessions: ClassVar[str]
    """The statement that counts the other sessions that this user can see."""

    def __init__(self, store: StoreUrl) -> None:
        self._store = store

    def refuse_if_in_use(self) -> None:
        """Raise CommandFailed if this user sees another session in the database."""
        refuse_sessions_of_others(self._store, self.other_sessions)

    def clear(self, found: SqlDatabase) -> None:
        """Drop Trivet's tables."""
        drop_tables(self._store, found)
