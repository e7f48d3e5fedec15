"""The engine of the operator's commands (migrations, imports, exports): one connection at a time, without a pool."""

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from services.identity.store.engine.store_url import StoreUrl


def operator_engine(store: StoreUrl) -> Engine:
    """Return an engine of the synchronous driver.

    On PostgreSQL, the settings are set in each transaction: behind a pooler, other clients use the same session.
    """
    url, arguments = store.for_operator()
    engine = create_engine(url, connect_args=arguments, poolclass=NullPool, hide_parameters=True)
    if store.kind != "postgresql":
        return engine
    settings = {"timezone": "UTC"} | ({"search_path": path} if (path := store.search_path) else {})

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        for name, value in settings.items():
            connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})

    return engine
