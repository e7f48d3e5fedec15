"""Each foreign key has exactly one index, the one that its table declares.

TiDB makes an index for a foreign key, as MySQL and MariaDB do, but keeps it when one of ours comes to the same column.
Its planner then takes either.
"""

from alembic import op
from sqlalchemy import inspect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
release = "0.1.0"

TABLES = ("sessions", "accounts", "subscriptions")


def upgrade() -> None:
    if op.get_context().as_sql or op.get_context().dialect.name != "mysql":
        return
    for table in TABLES:
        names = {each["name"] for each in inspect(op.get_bind()).get_indexes(table)}
        if {f"fk_{table}_user_id", f"ix_{table}_user_id"} <= names:
            op.drop_index(f"fk_{table}_user_id", table)


def downgrade() -> None:
    """Do nothing: the second index did not come from a migration."""
