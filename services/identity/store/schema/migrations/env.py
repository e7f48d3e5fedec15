"""How Alembic runs a migration here: on the connection that `migrate.py` has opened and locked."""

from alembic import context

from services.identity.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    user_module_prefix="column_types.",
)
with context.begin_transaction():
    context.run_migrations()
