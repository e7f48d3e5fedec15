"""Users can be searched and sorted by name, compared by bytes on every engine."""

import sqlalchemy as sa
from alembic import op

from services.identity.store.schema.column_types import Exact

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
release = "0.1.0"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":  # the other engines do so already
        op.alter_column("users", "name", type_=Exact(255), existing_type=sa.String(255), existing_nullable=False)
    op.create_index("ix_users_name", "users", ["name", "id"])


def downgrade() -> None:
    op.drop_index("ix_users_name", "users")
    if op.get_context().dialect.name == "postgresql":
        op.execute('ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(255) COLLATE "default"')
