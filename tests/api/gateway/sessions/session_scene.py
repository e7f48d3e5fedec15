"""A gateway that holds a session, asked through granian and as the application alone on the event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.app import build_app, fast_handlers
from gateway.deps import Deps
from runtime.ids import token_hash
from tests.api.gateway.serving import serving
from tests.api.gateway.stand_ins import TOKENS, StandIns, verify
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest, GetResponse, Lookup, Position
from trivet.client import NearCache
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest, VerifySessionResponse

TOKEN = next(iter(TOKENS))
PATH = "/api/auth/get-session"
LONG_WAY = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
BY_ITSELF = {"WriteLogs", "Watch"}
CHANGES = {"x-request-id", "traceparent", "date"}


@dataclass
class Scene:
    """A gateway in this process over stand-ins, and what it holds."""

    http: httpx.AsyncClient
    services: StandIns
    near: NearCache
    deps: Deps

    @property
    def calls(self) -> list[str]:
        """What was asked for, less what a gateway does by itself, whenever that comes."""
        return [call.name for call in self.services.calls if call.name not in BY_ITSELF]

    @property
    def cookie(self) -> dict[str, str]:
        return {"cookie": f"{self.deps.reader.cookies.session_token}={self.deps.reader.cookies.signer.sign(TOKEN)}"}

    async def check(self, **headers: str) -> httpx.Response:
        return await self.http.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def warmed(self) -> "Scene":
        """Hold the session of TOKEN, and forget the calls that it took: on a busy machine a lookup can time out."""

        async def is_held() -> bool:
            await self.check(**self.cookie)
            return len(self.near) == 1

        await until(is_held, 20)
        self.services.calls.clear()
        return self


def holding(answer: VerifySessionResponse) -> Any:
    """A cache service that holds one session."""

    def get(request: GetRequest) -> GetResponse:
        position, ttl = Position(epoch="e", offset=1), Duration(seconds=30)
        if request.key != token_hash(TOKEN):
            return GetResponse(lookup=Lookup(position=position))
        value = answer.SerializeToString()
        return GetResponse(lookup=Lookup(found=True, value=value, position=position, ttl=ttl, tags=["session:s"]))

    return get


@asynccontextmanager
async def client(deps: Deps, way: str) -> AsyncIterator[httpx.AsyncClient]:
    """Ask granian, with or without what answers before it, or the application itself."""
    app = build_app(deps)
    if way == "loop":
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
            yield http
        return
    async with (
        serving(app, fast_handlers(deps)) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as http,
    ):
        yield http


def session(**times: int) -> VerifySessionResponse:
    answer = verify(VerifySessionRequest(token=TOKEN))
    for name, seconds in times.items():
        target = answer if name == "slide_time" else answer.session
        getattr(target, name).CopyFrom(Timestamp(seconds=seconds))
    return answer


def shown(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """Return an answer less what is another's for each request."""
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGES}
    return answer.status_code, answer.content, headers
