"""${message}."""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
release = ${repr(config.attributes["release"])}
% for name in ("retires", "drops"):
% if config.attributes.get(name):
${name} = ${repr(tuple(config.attributes[name]))}
% endif
% endfor


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
