"""The cases: each path of ours, and beside it what bare servers and drivers make of the same size."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.protobuf.message import Message

from bench.driver_load import Statement
from bench.http_load import Connection, Request, request
from bench.peers import Peer
from bench.rpc_load import Rpc
from bench.scene import PERSON, Scene
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.log_service_pb2 import LogEntry, WriteLogsRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest, ListNotificationsRequest

Job = tuple[str, Any]
"""What a generator is told: the kind of load and what it is put on."""


@dataclass(frozen=True)
class Case:
    """One row of the table. Each subject makes its job anew for every round, for signatures grow old."""

    name: str
    ours: Callable[[], Job]
    bare: Callable[[], Job]
    driver: Callable[[], Job] | None = None
    peer: Callable[[], Job] | None = None
    cached_peer: Callable[[], Job] | None = None


SESSION_CHECK = "session check (HTTP)"
SIGN_IN = "sign-in (HTTP; bare: the hash alone)"


def cases(scene: Scene) -> Iterator[Case]:
    """Yield every case, with its bare equivalents of the size that ours is now."""
    user = Statement("sql", scene.stores.sql, scene.user_id)
    listing = Statement("mongodb find", scene.stores.mongodb, scene.user_id)
    yield replace(
        _http(scene, SESSION_CHECK, "/api/auth/get-session", None),
        peer=_beside(scene.peer, Peer.get_session),
        cached_peer=_beside(scene.cached_peer, Peer.get_session),
    )
    yield Case(
        SIGN_IN,
        lambda: ("http", scene.sign_in(PERSON["email"], PERSON["password"])),
        lambda: ("hash", PERSON["password"]),
        peer=_beside(scene.peer, Peer.sign_in),
    )
    yield _http(scene, "profile read (HTTP)", f"/v1/users/{scene.user_id}", user)
    yield _http(scene, "notification list of 20 (HTTP)", "/v1/notifications?page_size=20", listing)
    written = WriteLogsRequest(entries=[LogEntry(message="a line", service="bench")])
    yield _rpc(
        scene, "notifications", "log write", ("LogService", "WriteLogs"), written, "mongodb insert", person=False
    )
    asked = GetUserRequest(user_id=scene.user_id)
    yield _rpc(scene, "identity", "GetUser", ("UserService", "GetUser"), asked, "sql")
    unread = CountUnreadRequest()
    yield _rpc(scene, "notifications", "CountUnread", ("NotificationService", "CountUnread"), unread, "mongodb count")
    page = ListNotificationsRequest(page_size=20)
    yield _rpc(
        scene, "notifications", "ListNotifications", ("NotificationService", "ListNotifications"), page, "mongodb find"
    )
    missed = GetRequest(namespace="bench", key="nothing")
    yield _rpc(scene, "cache", "Get (a miss)", ("CacheService", "Get"), missed, "redis", person=False)


def _beside(peer: Peer | None, request: Callable[[Peer], Request]) -> Callable[[], Job] | None:
    return None if peer is None else lambda: ("http", request(peer))


def _http(scene: Scene, name: str, path: str, statement: Statement | None) -> Case:
    ours = scene.get(path)
    size = len(asyncio.run(_body(ours.content, scene)))
    bare = request(scene.bare_http_port, "GET", f"/{size}", {"cookie": scene.cookie})
    driver = None if statement is None else lambda: ("driver", statement)
    return Case(name, lambda: ("http", ours), lambda: ("http", bare), driver)


async def _body(content: bytes, scene: Scene) -> bytes:
    async with Connection(scene.get("/")) as connection:
        status, body = await connection.send(content)
    if status != 200:
        raise RuntimeError(f"the gateway answers {status}: {body[:200]!r}")
    return body


def _rpc(
    scene: Scene, process: str, name: str, rpc: tuple[str, str], asked: Message, what: str, *, person: bool = True
) -> Case:
    method, content = f"trivet.{process}.v1.{rpc[0]}/{rpc[1]}", asked.SerializeToString()
    size = _size(scene.rpc(process, method, content, for_person=person))
    urls = {"sql": scene.stores.sql, "redis": scene.stores.redis}
    statement = Statement(what, urls.get(what, scene.stores.mongodb), "100" if what == "redis" else scene.user_id)

    def bare() -> Job:
        call = scene.rpc(process, method, content, for_person=person)
        return "rpc", Rpc(f"127.0.0.1:{scene.bare_rpc_port}", f"bare.Sized/{size}", content, call.metadata)

    return Case(
        f"{process}: {name} (RPC)",
        lambda: ("rpc", scene.rpc(process, method, content, for_person=person)),
        bare,
        lambda: ("driver", statement),
    )


def _size(call: Rpc) -> int:
    """Return how many bytes the RPC answers. A threaded call: the loop of this process stays out of grpc."""
    with grpc.insecure_channel(call.address) as channel:
        stub: Any = channel.unary_unary(f"/{call.method}")
        return len(stub(call.content, metadata=call.metadata, timeout=5))
