"""A user's picture can be a data URL, which is longer than a URL."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
release = "0.1.0"

LONGER = {"postgresql": sa.Text(), "mysql": mysql.MEDIUMTEXT()}  # SQLite bounds no text


def upgrade() -> None:
    if (longer := LONGER.get(op.get_context().dialect.name)) is not None:
        op.alter_column("users", "image", type_=longer, existing_type=sa.String(2048), existing_nullable=True)


def downgrade() -> None:
    op.execute("UPDATE users SET image = NULL WHERE length(image) > 2048")
    if (longer := LONGER.get(op.get_context().dialect.name)) is not None:
        op.alter_column("users", "image", type_=sa.String(2048), existing_type=longer, existing_nullable=True)
