"""Which class backs up which kind of engine."""

from ops.backup.sql.dump import SqlBackup
from ops.backup.sql.mysql import MysqlBackup
from ops.backup.sql.postgresql import PostgresqlBackup
from ops.backup.sql.sqlite import SqliteBackup
from services.identity.store.engine.store_url import StoreUrl


def backup_of(store: StoreUrl) -> SqlBackup:
    """Return what backs up the database at an address."""
    match store.kind:
        case "mysql":
            return MysqlBackup(store)
        case "postgresql":
            return PostgresqlBackup(store)
        case _:
            return SqliteBackup(store)
