"""The cases: each path of Trivet, and beside it bare servers, drivers and peers with answers of the same size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from bench.load.driver import Statement
from bench.load.http import request, spread
from bench.load.rpc import Rpc
from bench.peers.peer import BETTER_AUTH
from bench.testbed.testbed import GET_SESSION, USER, Testbed
from trivet.cache.v1.cache_pb2 import Entry, GetRequest, SetRequest
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.log_service_pb2 import LogEntry, WriteLogsRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest, ListNotificationsRequest

Job = tuple[str, Any]
"""The input of a load generator: the kind of load and its target."""


@dataclass(frozen=True)
class Subject:
    """A measured program. `alone` names the process that has a core of its own.

    The job is made before each round, because signatures expire, and outside its time.
    """

    job: Callable[[], Job]
    alone: str = ""


@dataclass(frozen=True)
class Case:
    """One row of the table: `ours` first, then the subjects that are measured in turn with it."""

    name: str
    subjects: Mapping[str, Subject]


Makers = Mapping[str, Callable[[], Case]]
"""Functions that make each case, by its name. They can send requests, for example to learn an answer's size."""

SIGN_IN = "sign-in (HTTP; bare: the hash alone)"
PROFILE = "profile read (HTTP)"
USER_READ = "identity: UserService/GetUser"
NOTIFICATIONS = "notification list of 20 (HTTP)"
CACHE_MISS = "cache: Get, a miss (RPC)"
CACHE_HIT = "cache: Get, a hit of 16 bytes (RPC)"
BARE_GET = "bare GET"
LIMIT = "cache: RateLimitService/Acquire (RPC)"
SMALL_KEY, SMALL_VALUE = "bench-small", b"16 bytes of data"


def paths(testbed: Testbed) -> Makers:
    """Return all cases except those of the session check."""
    user = Statement("sql", testbed.stores.sql, testbed.user_id)
    listing = Statement("mongodb find", testbed.stores.mongodb, testbed.user_id)
    written = WriteLogsRequest(entries=[LogEntry(message="a line", service="bench")])
    page = ListNotificationsRequest(page_size=20)
    http: Makers = {
        SIGN_IN: lambda: _sign_in(testbed),
        PROFILE: lambda: _http(testbed, PROFILE, f"/v1/users/{testbed.user_id}", user),
        NOTIFICATIONS: lambda: _http(testbed, NOTIFICATIONS, "/v1/notifications?page_size=20", listing),
    }
    rpc = {
        "notifications: LogService/WriteLogs": (written, "mongodb insert"),
        USER_READ: (GetUserRequest(user_id=testbed.user_id), "sql"),
        "notifications: NotificationService/CountUnread": (CountUnreadRequest(), "mongodb count"),
        "notifications: NotificationService/ListNotifications": (page, "mongodb find"),
    }
    services: Makers = {name: partial(_rpc, testbed, name, *asked) for name, asked in rpc.items()}
    cache: Makers = {
        CACHE_MISS: lambda: _cache_miss(testbed),
        CACHE_HIT: lambda: _cache_hit(testbed),
        LIMIT: lambda: _limit(testbed),
    }
    return {**http, **services, **cache}


def _sign_in(testbed: Testbed) -> Case:
    subjects = {
        "ours": Subject(lambda: ("http", testbed.sign_in(USER["email"], USER["password"]))),
        "bare": Subject(lambda: ("hash", USER["password"])),
    }
    if BETTER_AUTH in testbed.peers:
        subjects[BETTER_AUTH] = Subject(lambda: ("http", spread(testbed.peers[BETTER_AUTH].sign_in())))
    return Case(SIGN_IN, subjects)


def answered_bytes(testbed: Testbed, path: str) -> int:
    """Return the size of the gateway's answer to the test user. Raises RuntimeError if it is not a 200."""
    status, body = testbed.ask(testbed.get(path))
    if status != 200:
        raise RuntimeError(f"the gateway answers {status}: {body[:200]!r}")
    return len(body)


def bare_http(testbed: Testbed, name: str, path: str) -> Subject:
    """Return a bare server whose requests and answers have the same size as the gateway's."""
    bare = request(testbed.bare[name], "GET", f"/{answered_bytes(testbed, path)}", {"cookie": testbed.cookie})
    return Subject(lambda: ("http", spread(bare)), alone=f"bare {name}" if path == GET_SESSION else "")


def _http(testbed: Testbed, name: str, path: str, statement: Statement) -> Case:
    ours = Subject(lambda: ("http", spread(testbed.get(path))))
    return Case(
        name,
        {"ours": ours, "bare": bare_http(testbed, "http", path), "driver": Subject(lambda: ("driver", statement))},
    )


def _rpc(testbed: Testbed, name: str, asked: Message, what: str) -> Case:
    """Return the case of a service's RPC. Programs write log entries; the test user calls the others."""
    process, _, rpc = name.partition(": ")
    url = testbed.stores.sql if what == "sql" else testbed.stores.mongodb
    statement = Statement(what, url, testbed.user_id)
    method, content = f"trivet.{process}.v1.{rpc}", asked.SerializeToString()

    def call() -> Rpc:
        return testbed.rpc(process, method, content, as_user=not rpc.startswith("LogService/"))

    subjects = {
        "ours": Subject(lambda: ("rpc", call())),
        "bare": _bare_rpc(testbed, call),
        "driver": Subject(lambda: ("driver", statement)),
    }
    return Case(name, subjects)


def _bare_rpc(testbed: Testbed, call: Callable[[], Rpc], *, alone: str = "") -> Subject:
    """Return the bare echo of a call, with the same sizes and headers."""
    size = len(answer_of(call()))

    def job() -> Job:
        ours = call()
        return "rpc", Rpc(f"127.0.0.1:{testbed.bare['rpc']}", f"bare.Sized/{size}", ours.content, ours.metadata)

    return Subject(job, alone)


def _limit(testbed: Testbed) -> Case:
    """Return the case of a rate limit that admits the request."""
    asked = AcquireRequest(rule="bench", subject="bench", limit=1_000_000, period=Duration(seconds=60))
    content = asked.SerializeToString()

    def call() -> Rpc:
        return testbed.rpc("cache", "trivet.cache.v1.RateLimitService/Acquire", content, as_user=False)

    bare = _bare_rpc(testbed, call, alone="bare rpc")
    return Case(LIMIT, {"ours": Subject(lambda: ("rpc", call()), alone="cache"), "bare": bare})


def _cache_miss(testbed: Testbed) -> Case:
    asked = GetRequest(namespace="bench", key="nothing").SerializeToString()

    def call() -> Rpc:
        return testbed.rpc("cache", "trivet.cache.v1.CacheService/Get", asked, as_user=False)

    driver = Statement("redis", testbed.stores.redis, "100")
    subjects = {
        "ours": Subject(lambda: ("rpc", call()), alone="cache"),
        "bare": _bare_rpc(testbed, call, alone="bare rpc"),
        "driver": Subject(lambda: ("driver", driver)),
    }
    return Case(CACHE_MISS, subjects)


def _cache_hit(testbed: Testbed) -> Case:
    """Return the case of a hit, with a bare server that does one GET of the same value."""
    entry = Entry(key=SMALL_KEY, value=SMALL_VALUE)
    entry.ttl.seconds = 3_600
    written = SetRequest(namespace="bench", entry=entry).SerializeToString()
    answer_of(testbed.rpc("cache", "trivet.cache.v1.CacheService/Set", written, as_user=False))
    testbed.put_bare(SMALL_KEY, SMALL_VALUE)
    asked = GetRequest(namespace="bench", key=SMALL_KEY).SerializeToString()
    method = "trivet.cache.v1.CacheService/Get"

    def call() -> Rpc:
        return testbed.rpc("cache", method, asked, as_user=False)

    def one_get() -> Job:
        return "rpc", Rpc(f"127.0.0.1:{testbed.bare['get']}", method, asked, call().metadata)

    if SMALL_VALUE not in answer_of(call()) or SMALL_VALUE not in answer_of(one_get()[1]):
        raise RuntimeError("the value was not cached")
    subjects = {
        "ours": Subject(lambda: ("rpc", call()), alone="cache"),
        "bare": _bare_rpc(testbed, call, alone="bare rpc"),
        BARE_GET: Subject(one_get, alone="bare get"),
    }
    return Case(CACHE_HIT, subjects)


def answer_of(call: Rpc) -> bytes:
    """Call and return the answer. The call blocks: no event loop of this process uses gRPC."""
    with grpc.insecure_channel(call.address) as channel:
        stub: Any = channel.unary_unary(f"/{call.method}")
        answer: bytes = stub(call.content, metadata=call.metadata, timeout=5)
        return answer
