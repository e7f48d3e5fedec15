"""The metrics of tables and indexes, as each engine tells them."""

from prometheus_client import REGISTRY

from services.identity.passwords.credentials import BY_EMAIL
from services.identity.schema import metadata
from services.identity.store.sizes import StoreSizes
from tests.conformance.identity.conftest import Identity


def sample(name: str, /, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"trivet_store_{name}", labels)


async def test_each_table_is_measured_and_indexes_as_far_as_the_engine_counts(identity: Identity) -> None:
    system = identity.database.kind
    await identity.sign_up()
    await identity.database.first(BY_EMAIL, email="ann@x.io")
    await StoreSizes(identity.database, metadata).measure()
    assert sample("measured_timestamp_seconds", system=system)
    if system == "sqlite":  # Python's SQLite often lacks dbstat
        return
    for part in ("data", "indexes"):
        assert (sample("bytes", system=system, name="users", part=part) or 0) > 0
    assert sample("bytes", system=system, name="alembic_version", part="data") is None
    if system == "postgresql":
        assert sample("index_uses", system=system, name="users", index="pk_users") is not None
