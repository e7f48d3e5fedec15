"""Runs a migration on the connection that `migrate.py` has opened and locked."""

from alembic import context

from services.identity.schema import metadata
from services.identity.store.schema.rendering import render_item

attributes = context.config.attributes
connection = attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # A batch is one ALTER TABLE on servers, and on SQLite what can alter a column at all.
    render_as_batch=True,
    render_item=render_item,
    include_object=attributes.get("include_object"),
    process_revision_directives=attributes.get("revise"),
    on_version_apply=attributes.get("applied"),
)
with context.begin_transaction():
    context.run_migrations()
