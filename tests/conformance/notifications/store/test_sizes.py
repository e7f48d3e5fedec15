"""The metrics of collections, and the lag of a replica set's members."""

from datetime import UTC, datetime, timedelta
from math import inf

from prometheus_client import REGISTRY

from services.notifications.domains import COLLECTIONS
from services.notifications.store.mongo import open_store
from services.notifications.store.sizes import StoreSizes, lags_in
from tests.harness.waiting import until

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def sample(name: str, /, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"trivet_store_{name}", {"system": "mongodb", **labels}) or 0


async def test_each_collection_is_measured(database_url: str) -> None:
    name = COLLECTIONS[0].name
    async with open_store(database_url, timeout=10.0) as store:
        await until(lambda: store.is_prepared, 30)
        collection = store.collection(COLLECTIONS[0])
        await store.run("tests.insert", lambda: collection.insert_many([{"_id": f"sizes {n}"} for n in range(3)]))
        sizes = StoreSizes(store, COLLECTIONS)
        await sizes.measure()
        await sizes.measure_members()  # a server alone has none
        assert sample("rows", name=name) >= 3
        assert sample("bytes", name=name, part="data") > 0
        assert sample("measured_timestamp_seconds") > 0


def test_a_secondary_is_as_late_as_its_newest_operation_and_one_that_recovers_infinitely() -> None:
    def member(name: str, state: str, late: float = 0) -> dict[str, object]:
        return {"name": name, "stateStr": state, "optimeDate": NOW - timedelta(seconds=late)}

    members = [
        member("a", "PRIMARY"),
        member("b", "SECONDARY", 4),
        member("c", "RECOVERING", 9),
        member("d", "ARBITER"),
    ]
    assert lags_in({"members": members}) == {"b": 4, "c": inf}
    assert lags_in({"members": [member("b", "SECONDARY")]}) == {"b": inf}  # no primary
    assert lags_in({}) == {}
