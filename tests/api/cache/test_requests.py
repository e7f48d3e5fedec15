"""What a request may hold, and what it is told where it holds something else."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from grpc import StatusCode

from runtime.ids import new_id
from tests.api.cache.conftest import Callers, refused
from trivet.cache.v1 import cache_pb2 as pb

LONG = "k" * 513
BIG = b"v" * (1024 * 1024 + 1)


def entry(**fields: Any) -> pb.SetRequest:
    return pb.SetRequest(namespace="things", entry=pb.Entry(**{"key": "a", **fields}))


def batch(**fields: Any) -> pb.BatchSetRequest:
    return pb.BatchSetRequest(namespace="things", entries=[pb.Entry(key="a"), pb.Entry(**{"key": "b", **fields})])


BAD: list[tuple[str, Message, str, str]] = [
    ("Get", pb.GetRequest(key="a"), "REQUIRED_FIELD_MISSING", "namespace"),
    ("Get", pb.GetRequest(namespace="Things", key="a"), "INVALID_NAMESPACE", "namespace"),
    ("Get", pb.GetRequest(namespace="a" * 33, key="a"), "INVALID_NAMESPACE", "namespace"),
    ("Get", pb.GetRequest(namespace="things\n", key="a"), "INVALID_NAMESPACE", "namespace"),
    ("Get", pb.GetRequest(namespace="a/b", key="a"), "INVALID_NAMESPACE", "namespace"),
    ("Get", pb.GetRequest(namespace="things"), "REQUIRED_FIELD_MISSING", "key"),
    ("Get", pb.GetRequest(namespace="things", key=LONG), "INVALID_KEY", "key"),
    ("Get", pb.GetRequest(namespace="things", key="two words"), "INVALID_KEY", "key"),
    ("Get", pb.GetRequest(namespace="things", key="ключ"), "INVALID_KEY", "key"),
    ("Get", pb.GetRequest(namespace="things", key="a\n"), "INVALID_KEY", "key"),
    ("BatchGet", pb.BatchGetRequest(namespace="things"), "REQUIRED_FIELD_MISSING", "keys"),
    ("BatchGet", pb.BatchGetRequest(namespace="things", keys=["a", ""]), "INVALID_KEY", "keys[1]"),
    ("BatchGet", pb.BatchGetRequest(namespace="things", keys=["a"] * 1_001), "TOO_MANY", "keys"),
    ("Set", pb.SetRequest(namespace="things"), "REQUIRED_FIELD_MISSING", "entry"),
    ("Set", entry(key=""), "REQUIRED_FIELD_MISSING", "entry.key"),
    ("Set", entry(key=LONG), "INVALID_KEY", "entry.key"),
    ("Set", entry(value=BIG), "VALUE_TOO_LARGE", "entry.value"),
    ("Set", entry(value=b"v", absent=True), "VALUE_OF_NOTHING", "entry.value"),
    ("Set", entry(tags=["x"] * 17), "TOO_MANY", "entry.tags"),
    ("Set", entry(tags=["x", "two words"]), "INVALID_KEY", "entry.tags[1]"),
    ("Set", entry(ttl=Duration()), "INVALID_TTL", "entry.ttl"),
    ("Set", entry(ttl=Duration(seconds=-1)), "INVALID_TTL", "entry.ttl"),
    ("BatchSet", batch(key=""), "INVALID_KEY", "entries[1].key"),
    ("BatchSet", batch(ttl=Duration(seconds=-1)), "INVALID_TTL", "entries[1].ttl"),
    ("BatchSet", pb.BatchSetRequest(namespace="things", entries=[pb.Entry(key="a")] * 1_001), "TOO_MANY", "entries"),
    ("BatchDelete", pb.BatchDeleteRequest(namespace="things", keys=["a"] * 1_001), "TOO_MANY", "keys"),
    ("Delete", pb.DeleteRequest(namespace="things", key=LONG), "INVALID_KEY", "key"),
    ("Invalidate", pb.InvalidateRequest(), "REQUIRED_FIELD_MISSING", "tags"),
    ("Invalidate", pb.InvalidateRequest(tags=["x"] * 101), "TOO_MANY", "tags"),
    ("Invalidate", pb.InvalidateRequest(tags=[""]), "INVALID_KEY", "tags[0]"),
    ("Increment", pb.IncrementRequest(namespace="things", key=LONG), "INVALID_KEY", "key"),
    ("Increment", pb.IncrementRequest(namespace="things", key="a", ttl=Duration()), "INVALID_TTL", "ttl"),
]


@pytest.mark.parametrize(
    ("rpc", "request_", "reason", "field"),
    BAD,
    ids=[f"{rpc}-{reason}-{field}-{i}" for i, (rpc, _, reason, field) in enumerate(BAD)],
)
async def test_what_is_out_of_shape_is_named_by_its_field(
    as_caller: Callers, rpc: str, request_: Message, reason: str, field: str
) -> None:
    call: Callable[[Message], Any] = getattr(await as_caller("tests"), rpc)
    assert await refused(call(request_)) == (StatusCode.INVALID_ARGUMENT, reason, field)


async def test_the_largest_that_is_allowed_passes(as_caller: Callers) -> None:
    stub, key = await as_caller("tests"), new_id().ljust(512, "k")
    whole = pb.Entry(key=key, value=BIG[1:], tags=[f"{i}".ljust(512, "t") for i in range(16)])
    assert (await stub.Set(pb.SetRequest(namespace="a" * 32, entry=whole))).stored
    answer = await stub.Get(pb.GetRequest(namespace="a" * 32, key=key))
    assert answer.lookup.value == BIG[1:]
    assert 265 <= answer.lookup.ttl.seconds < 300  # the default, less up to a tenth
    await stub.Invalidate(pb.InvalidateRequest(tags=[f"{i}".ljust(512, "t") for i in range(100)]))
    assert not (await stub.Get(pb.GetRequest(namespace="a" * 32, key=key))).lookup.found


async def test_one_reader_of_a_miss_is_to_fill_it_and_the_others_are_told_when_to_ask_again(as_caller: Callers) -> None:
    stub, key = await as_caller("tests"), new_id()
    get = pb.GetRequest(namespace="things", key=key, claim=True)
    first, second = (await stub.Get(get)).lookup, (await stub.Get(get)).lookup
    assert not first.HasField("retry_after")
    assert 0 < second.retry_after.ToMilliseconds() <= 20
    assert first.position == second.position
    many = await stub.BatchGet(pb.BatchGetRequest(namespace="things", keys=[key, new_id()], claim=True))
    assert [lookup.HasField("retry_after") for lookup in many.lookups] == [True, False]
    nothing = pb.Entry(key=key, lease=first.position, tags=["x"], absent=True)
    assert (await stub.Set(pb.SetRequest(namespace="things", entry=nothing))).stored
    found = (await stub.Get(get)).lookup
    assert (found.found, found.absent, found.value, list(found.tags)) == (True, True, b"", ["tests/x"])


async def test_many_are_written_read_and_removed_in_the_order_of_their_keys(as_caller: Callers) -> None:
    stub = await as_caller("tests")
    keys = [f"{new_id()}{i}" for i in range(1_000)]
    entries = [pb.Entry(key=key, value=key.encode()) for key in keys]
    entries[7].lease.CopyFrom(pb.Position(epoch="another", offset=1))
    stored = (await stub.BatchSet(pb.BatchSetRequest(namespace="things", entries=entries))).stored
    assert [i for i, was_stored in enumerate(stored) if not was_stored] == [7]
    lookups = (await stub.BatchGet(pb.BatchGetRequest(namespace="things", keys=keys))).lookups
    assert [lookup.value.decode() for lookup in lookups] == [*keys[:7], "", *keys[8:]]
    removed = await stub.BatchDelete(pb.BatchDeleteRequest(namespace="things", keys=keys))
    assert removed.deleted_count == 999


async def test_a_counter_moves_by_one_unless_told_and_refuses_to_overflow(as_caller: Callers) -> None:
    stub, key = await as_caller("tests"), new_id()
    assert (await stub.Increment(pb.IncrementRequest(namespace="things", key=key))).value == 1
    assert (await stub.Increment(pb.IncrementRequest(namespace="things", key=key, delta=0))).value == 1
    assert (await stub.Increment(pb.IncrementRequest(namespace="things", key=key, delta=-3))).value == -2
    overflow = stub.Increment(pb.IncrementRequest(namespace="things", key=key, delta=-(2**63)))
    assert await refused(overflow) == (StatusCode.FAILED_PRECONDITION, "COUNTER_OVERFLOW", "")


async def test_statistics_count_hits_misses_fills_and_refusals(as_caller: Callers) -> None:
    stub, key = await as_caller("ops"), new_id()
    namespace = f"n{key[:20].lower()}"
    await stub.BatchGet(pb.BatchGetRequest(namespace=namespace, keys=[key, "never", "ever"]))
    await stub.Set(pb.SetRequest(namespace=namespace, entry=pb.Entry(key=key)))
    gone = pb.Position(epoch="another")
    await stub.Set(pb.SetRequest(namespace=namespace, entry=pb.Entry(key=key, lease=gone)))
    await stub.Get(pb.GetRequest(namespace=namespace, key=key))
    (found,) = [
        stats for stats in (await stub.GetStats(pb.GetStatsRequest())).namespaces if namespace in stats.namespace
    ]
    assert (found.hits, found.misses, found.fills, found.refusals) == (1, 3, 1, 1)
