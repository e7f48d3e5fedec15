"""The cases: each path of ours, and beside it what bare servers, drivers and others make of the same size."""

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
from bench.testbed.testbed import GET_SESSION, PERSON, Scene
from trivet.cache.v1.cache_pb2 import Entry, GetRequest, SetRequest
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.log_service_pb2 import LogEntry, WriteLogsRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest, ListNotificationsRequest

Job = tuple[str, Any]
"""What a generator is told: the kind of load and what it is put on."""


@dataclass(frozen=True)
class Subject:
    """What is measured, and the process that has a core to itself meanwhile.

    The job is made anew for every round, for signatures grow old, and before the round's clock starts.
    """

    job: Callable[[], Job]
    alone: str = ""


@dataclass(frozen=True)
class Case:
    """One row of the table: `ours` first, then what is measured in turn with it."""

    name: str
    subjects: Mapping[str, Subject]


Makers = Mapping[str, Callable[[], Case]]
"""What makes each case, by its name: it may have to ask first how long an answer is."""

SIGN_IN = "sign-in (HTTP; bare: the hash alone)"
PROFILE = "profile read (HTTP)"
USER_READ = "identity: UserService/GetUser"
NOTIFICATIONS = "notification list of 20 (HTTP)"
CACHE_MISS = "cache: Get, a miss (RPC)"
CACHE_HIT = "cache: Get, a hit of 16 bytes (RPC)"
BARE_GET = "bare GET"
LIMIT = "cache: RateLimitService/Acquire (RPC)"
SMALL_KEY, SMALL_VALUE = "bench-small", b"16 bytes of data"


def paths(scene: Scene) -> Makers:
    """Return what makes each case but the session check's, with its bare equivalents of the size that ours is."""
    user = Statement("sql", scene.stores.sql, scene.user_id)
    listing = Statement("mongodb find", scene.stores.mongodb, scene.user_id)
    written = WriteLogsRequest(entries=[LogEntry(message="a line", service="bench")])
    page = ListNotificationsRequest(page_size=20)
    http: Makers = {
        SIGN_IN: lambda: _sign_in(scene),
        PROFILE: lambda: _http(scene, PROFILE, f"/v1/users/{scene.user_id}", user),
        NOTIFICATIONS: lambda: _http(scene, NOTIFICATIONS, "/v1/notifications?page_size=20", listing),
    }
    rpc = {
        "notifications: LogService/WriteLogs": (written, "mongodb insert"),
        USER_READ: (GetUserRequest(user_id=scene.user_id), "sql"),
        "notifications: NotificationService/CountUnread": (CountUnreadRequest(), "mongodb count"),
        "notifications: NotificationService/ListNotifications": (page, "mongodb find"),
    }
    services: Makers = {name: partial(_rpc, scene, name, *asked) for name, asked in rpc.items()}
    cache: Makers = {
        CACHE_MISS: lambda: _cache_miss(scene),
        CACHE_HIT: lambda: _cache_hit(scene),
        LIMIT: lambda: _limit(scene),
    }
    return {**http, **services, **cache}


def _sign_in(scene: Scene) -> Case:
    subjects = {
        "ours": Subject(lambda: ("http", scene.sign_in(PERSON["email"], PERSON["password"]))),
        "bare": Subject(lambda: ("hash", PERSON["password"])),
    }
    if BETTER_AUTH in scene.peers:
        subjects[BETTER_AUTH] = Subject(lambda: ("http", spread(scene.peers[BETTER_AUTH].sign_in())))
    return Case(SIGN_IN, subjects)


def answered_bytes(scene: Scene, path: str) -> int:
    """Return how long the gateway's answer to the person is. Raises RuntimeError if it is not a good one."""
    status, body = scene.ask(scene.get(path))
    if status != 200:
        raise RuntimeError(f"the gateway answers {status}: {body[:200]!r}")
    return len(body)


def bare_http(scene: Scene, name: str, path: str) -> Subject:
    """Return a bare server that answers as many bytes as the gateway does, to a request of the same size."""
    bare = request(scene.bare[name], "GET", f"/{answered_bytes(scene, path)}", {"cookie": scene.cookie})
    return Subject(lambda: ("http", spread(bare)), alone=f"bare {name}" if path == GET_SESSION else "")


def _http(scene: Scene, name: str, path: str, statement: Statement) -> Case:
    ours = Subject(lambda: ("http", spread(scene.get(path))))
    return Case(
        name,
        {"ours": ours, "bare": bare_http(scene, "http", path), "driver": Subject(lambda: ("driver", statement))},
    )


def _rpc(scene: Scene, name: str, asked: Message, what: str) -> Case:
    """Return the case of a service's RPC: lines of the log come from programs, all else is asked for the person."""
    process, _, rpc = name.partition(": ")
    url = scene.stores.sql if what == "sql" else scene.stores.mongodb
    statement = Statement(what, url, scene.user_id)
    method, content = f"trivet.{process}.v1.{rpc}", asked.SerializeToString()

    def call() -> Rpc:
        return scene.rpc(process, method, content, for_person=not rpc.startswith("LogService/"))

    subjects = {
        "ours": Subject(lambda: ("rpc", call())),
        "bare": _bare_rpc(scene, call),
        "driver": Subject(lambda: ("driver", statement)),
    }
    return Case(name, subjects)


def _bare_rpc(scene: Scene, call: Callable[[], Rpc], *, alone: str = "") -> Subject:
    """Return the bare echo of the call: as many bytes there and back, and the same headers."""
    size = len(answer_of(call()))

    def job() -> Job:
        ours = call()
        return "rpc", Rpc(f"127.0.0.1:{scene.bare['rpc']}", f"bare.Sized/{size}", ours.content, ours.metadata)

    return Subject(job, alone)


def _limit(scene: Scene) -> Case:
    """Return what a limit costs a request that it lets pass."""
    asked = AcquireRequest(rule="bench", subject="somebody", limit=1_000_000, period=Duration(seconds=60))
    content = asked.SerializeToString()

    def call() -> Rpc:
        return scene.rpc("cache", "trivet.cache.v1.RateLimitService/Acquire", content, for_person=False)

    bare = _bare_rpc(scene, call, alone="bare rpc")
    return Case(LIMIT, {"ours": Subject(lambda: ("rpc", call()), alone="cache"), "bare": bare})


def _cache_miss(scene: Scene) -> Case:
    asked = GetRequest(namespace="bench", key="nothing").SerializeToString()

    def call() -> Rpc:
        return scene.rpc("cache", "trivet.cache.v1.CacheService/Get", asked, for_person=False)

    driver = Statement("redis", scene.stores.redis, "100")
    subjects = {
        "ours": Subject(lambda: ("rpc", call()), alone="cache"),
        "bare": _bare_rpc(scene, call, alone="bare rpc"),
        "driver": Subject(lambda: ("driver", driver)),
    }
    return Case(CACHE_MISS, subjects)


def _cache_hit(scene: Scene) -> Case:
    """Beside the bare echo: the same request to a bare server that does one GET of the same value."""
    entry = Entry(key=SMALL_KEY, value=SMALL_VALUE)
    entry.ttl.seconds = 3_600
    written = SetRequest(namespace="bench", entry=entry).SerializeToString()
    answer_of(scene.rpc("cache", "trivet.cache.v1.CacheService/Set", written, for_person=False))
    scene.put_bare(SMALL_KEY, SMALL_VALUE)
    asked = GetRequest(namespace="bench", key=SMALL_KEY).SerializeToString()
    method = "trivet.cache.v1.CacheService/Get"

    def call() -> Rpc:
        return scene.rpc("cache", method, asked, for_person=False)

    def one_get() -> Job:
        return "rpc", Rpc(f"127.0.0.1:{scene.bare['get']}", method, asked, call().metadata)

    if SMALL_VALUE not in answer_of(call()) or SMALL_VALUE not in answer_of(one_get()[1]):
        raise RuntimeError("the small value is not there")
    subjects = {
        "ours": Subject(lambda: ("rpc", call()), alone="cache"),
        "bare": _bare_rpc(scene, call, alone="bare rpc"),
        BARE_GET: Subject(one_get, alone="bare get"),
    }
    return Case(CACHE_HIT, subjects)


def answer_of(call: Rpc) -> bytes:
    """Return what a call answers. A threaded call: the loop of this process stays out of grpc."""
    with grpc.insecure_channel(call.address) as channel:
        stub: Any = channel.unary_unary(f"/{call.method}")
        answer: bytes = stub(call.content, metadata=call.metadata, timeout=5)
        return answer
