"""Whose entries are whose: each service has names of its own, and the shared ones name who may do what."""

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode

from runtime.ids import new_id
from tests.api.cache.conftest import Callers, refused
from tests.harness.processes import Process, client, process
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import acting_for

SHARED = ["sessions", "profiles"]
NOT_YOURS = (StatusCode.PERMISSION_DENIED, "NAMESPACE_NOT_YOURS", "")
TAG_NOT_YOURS = (StatusCode.PERMISSION_DENIED, "TAG_NOT_YOURS", "")


async def get(stub: CacheServiceStub, namespace: str, key: str) -> pb.Lookup:
    return (await stub.Get(pb.GetRequest(namespace=namespace, key=key))).lookup


async def put(stub: CacheServiceStub, namespace: str, entry: pb.Entry) -> bool:
    return (await stub.Set(pb.SetRequest(namespace=namespace, entry=entry))).stored


@pytest.mark.parametrize("namespace", SHARED)
async def test_identity_alone_fills_what_the_gateway_reads(as_caller: Callers, namespace: str) -> None:
    """Whoever may fill sessions could forge a login."""
    identity, gateway, key = await as_caller("identity"), await as_caller("gateway"), new_id()
    missed = await get(gateway, namespace, key)
    entry = pb.Entry(key=key, value=b"v", tags=["user:1"], lease=missed.position)
    assert await put(identity, namespace, entry)
    assert (await get(gateway, namespace, key)).value == b"v"
    for caller in ("gateway", "notifications", "tests"):
        stub = await as_caller(caller)
        assert await refused(put(stub, namespace, entry)) == NOT_YOURS
        assert await refused(stub.BatchSet(pb.BatchSetRequest(namespace=namespace, entries=[entry]))) == NOT_YOURS
        assert await refused(stub.Delete(pb.DeleteRequest(namespace=namespace, key=key))) == NOT_YOURS
        assert await refused(stub.BatchDelete(pb.BatchDeleteRequest(namespace=namespace, keys=[key]))) == NOT_YOURS
        assert await refused(stub.Increment(pb.IncrementRequest(namespace=namespace, key=key))) == NOT_YOURS


@pytest.mark.parametrize("namespace", SHARED)
@pytest.mark.parametrize("caller", ["notifications", "tests"])
async def test_nobody_else_reads_the_shared_names(as_caller: Callers, caller: str, namespace: str) -> None:
    stub = await as_caller(caller)
    assert await refused(get(stub, namespace, "a")) == NOT_YOURS
    assert await refused(stub.BatchGet(pb.BatchGetRequest(namespace=namespace, keys=["a"]))) == NOT_YOURS


@pytest.mark.parametrize("namespace", SHARED)
async def test_the_shared_names_are_filled_with_a_lease_only(as_caller: Callers, namespace: str) -> None:
    entry = pb.Entry(key="a", value=b"v")
    required = (StatusCode.INVALID_ARGUMENT, "LEASE_REQUIRED", "entry.lease")
    assert await refused(put(await as_caller("identity"), namespace, entry)) == required


@pytest.mark.parametrize(("namespace", "longest"), [("sessions", 30), ("profiles", 300), ("things", 86_400)])
async def test_no_entry_outlives_what_its_namespace_allows(as_caller: Callers, namespace: str, longest: int) -> None:
    identity, key = await as_caller("identity"), new_id()
    entry = pb.Entry(key=key, lease=(await get(identity, namespace, key)).position)
    entry.ttl.seconds = 10**9
    assert await put(identity, namespace, entry)
    assert longest * 0.9 - 5 <= (await get(identity, namespace, key)).ttl.seconds <= longest


async def test_what_is_filled_together_does_not_expire_together(as_caller: Callers) -> None:
    """R15: but for a namespace whose times are promised to somebody."""
    gateway, keys = await as_caller("gateway"), [new_id() for _ in range(40)]
    entries = [pb.Entry(key=key, ttl=Duration(seconds=1_000)) for key in keys]
    left = {}
    for namespace in ("things", "known-addresses"):
        await gateway.BatchSet(pb.BatchSetRequest(namespace=namespace, entries=entries))
        found = await gateway.BatchGet(pb.BatchGetRequest(namespace=namespace, keys=keys))
        left[namespace] = [lookup.ttl.ToMilliseconds() for lookup in found.lookups]
    assert max(left["things"]) - min(left["things"]) > 10_000
    assert min(left["things"]) > 850_000
    assert min(left["known-addresses"]) > 950_000


async def test_what_others_read_carries_only_tags_that_they_are_told_of(as_caller: Callers) -> None:
    """A near cache would otherwise hold what it never hears has changed."""
    identity, key = await as_caller("identity"), new_id()
    entry = pb.Entry(key=key, tags=["user:1", "mine"], lease=(await get(identity, "profiles", key)).position)
    not_shared = (StatusCode.INVALID_ARGUMENT, "TAG_NOT_SHARED", "entry.tags[1]")
    assert await refused(put(identity, "profiles", entry)) == not_shared


async def test_two_services_never_meet_under_one_name(as_caller: Callers) -> None:
    tests, ops, key = await as_caller("tests"), await as_caller("ops"), new_id()
    assert await put(tests, "things", pb.Entry(key=key, value=b"of tests"))
    assert await put(ops, "things", pb.Entry(key=key, value=b"of ops"))
    await ops.Increment(pb.IncrementRequest(namespace="things", key=key))
    assert (await get(tests, "things", key)).value == b"of tests"
    assert (await tests.Increment(pb.IncrementRequest(namespace="things", key=key))).value == 1
    assert (await ops.Delete(pb.DeleteRequest(namespace="things", key=key))).deleted
    assert (await get(tests, "things", key)).found


async def test_a_service_moves_its_own_tags_and_no_others(as_caller: Callers) -> None:
    tests, ops, key = await as_caller("tests"), await as_caller("ops"), new_id()
    assert await put(tests, "things", pb.Entry(key=key, tags=["invoice:3"]))
    await ops.Invalidate(pb.InvalidateRequest(tags=["invoice:3"]))
    assert (await get(tests, "things", key)).found
    await tests.Invalidate(pb.InvalidateRequest(tags=["invoice:3"]))
    assert not (await get(tests, "things", key)).found


@pytest.mark.parametrize("tag", ["user:1", "session:1", "sessions:1"])
async def test_only_identity_says_that_a_user_or_a_session_has_changed(as_caller: Callers, tag: str) -> None:
    """Any service's entry may carry such a tag, and is dropped when identity moves it."""
    tests, key = await as_caller("tests"), new_id()
    assert await put(tests, "things", pb.Entry(key=key, tags=[tag]))
    for caller in ("tests", "gateway", "notifications"):
        request = pb.InvalidateRequest(tags=["mine", tag])
        assert await refused((await as_caller(caller)).Invalidate(request)) == TAG_NOT_YOURS
    assert (await get(tests, "things", key)).found
    answer = await (await as_caller("identity")).Invalidate(pb.InvalidateRequest(tags=[tag]))
    assert answer.confirmed
    missed = await get(tests, "things", key)
    assert not missed.found
    assert missed.position == answer.position


async def test_a_person_never_calls_the_cache_whatever_the_role(as_caller: Callers) -> None:
    gateway = await as_caller("gateway")
    services_only = (StatusCode.PERMISSION_DENIED, "SERVICES_ONLY", "")
    for role in ("user", "admin"):
        with acting_for("u" * 32, role):
            assert await refused(get(gateway, "sessions", "a")) == services_only
            assert await refused(gateway.Invalidate(pb.InvalidateRequest(tags=["user:1"]))) == services_only


async def test_an_administrator_may_look_at_the_statistics_and_another_person_may_not(as_caller: Callers) -> None:
    gateway = await as_caller("gateway")
    with acting_for("u" * 32, "admin"):
        assert (await gateway.GetStats(pb.GetStatsRequest())).HasField("start_time")
    with acting_for("u" * 32, "user"):
        assert (await refused(gateway.GetStats(pb.GetStatsRequest())))[1] == "ADMIN_REQUIRED"


async def test_two_prefixes_on_one_redis_share_nothing(cache_process: Process, as_caller: Callers) -> None:
    tests, key = await as_caller("tests"), new_id()
    assert await put(tests, "things", pb.Entry(key=key))
    same_redis = cache_process.environment["REDIS_URL"]
    with process("cache", TRIVET_CACHE_PREFIX=f"t:{new_id()}:", REDIS_URL=same_redis) as other:
        async with client(other) as channel:
            assert not (await get(CacheServiceStub(channel), "things", key)).found
