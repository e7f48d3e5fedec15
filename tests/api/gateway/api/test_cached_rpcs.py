"""GET /v1/users/{user_id} through the cache: who is shown a hit, and who is asked otherwise."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.app import build_app
from gateway.backends import open_backends
from gateway.deps import Deps
from gateway.http.access_log import AccessLogWriter
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings
from ops.keys.pair_keys import pair_key
from runtime.errors import PermissionDenied, Unavailable
from runtime.rpc.caching.cached_rpcs import CachedRpc
from runtime.settings import Keys
from tests.api.gateway.stand_ins import ADMIN, ADMIN_ID, SERVED, USER, USER_ID, StandIns
from tests.harness.processes import SECRET
from trivet.cache.v1.cache_pb2 import GetRequest, GetResponse, Lookup, Position
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest

NAMES = {USER_ID: "Ursula", ADMIN_ID: "Ada"}


def profiles(request: GetRequest) -> GetResponse:
    """A cache that holds everybody's profile, and no session."""
    if request.namespace != "profiles":
        return GetResponse(lookup=Lookup(position=Position(epoch="e", offset=7)))
    value = User(id=request.key, name=NAMES.get(request.key, "?")).SerializeToString()
    return GetResponse(lookup=Lookup(found=True, value=value))


def asked(services: StandIns, name: str) -> list[Any]:
    return [call.request for call in services.calls if call.name == name]


@pytest.fixture(autouse=True)
async def _cache_in_use(http: httpx.AsyncClient, services: StandIns) -> None:
    """A test of another file, or a busy machine, may have made lookups fail a moment ago."""
    await asks_again(http, services)
    services.reset()


async def test_a_hit_makes_no_call_to_the_owner(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["Get"] = profiles
    for user_id in ("me", USER_ID):
        assert (await http.get(f"/v1/users/{user_id}", headers=USER)).json()["name"] == "Ursula"
    assert asked(services, "GetUser") == []


async def test_anothers_profile_is_for_its_owner_to_refuse_even_when_it_is_cached(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """G3: the cache is not even asked."""
    services.answers |= {"Get": profiles, "GetUser": PermissionDenied("NOT_YOURS", "user_id names another user")}
    answer = await http.get(f"/v1/users/{ADMIN_ID}", headers=USER)
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert [request.namespace for request in asked(services, "Get")] == ["sessions"]


async def test_without_the_declared_owner_anothers_profile_would_be_shown(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G3: the protection off."""
    stand_ins.reset()
    stand_ins.answers |= {"Get": profiles, "GetUser": PermissionDenied("NOT_YOURS", "user_id names another user")}
    keys = Keys({name: pair_key(SECRET, "gateway", name) for name in SERVED})
    addresses = {name.removeprefix("TRIVET_").lower(): value for name, value in stand_ins.addresses.items()}
    settings = GatewaySettings(secret=SecretStr(SECRET), call_keys=keys, **addresses)  # type: ignore[arg-type]  # texts
    statuses = []
    async with open_backends(settings) as backends:
        app = build_app(
            Deps(
                settings=settings,
                backends=backends,
                origins=Origins(settings),
                access_log=AccessLogWriter(backends.logs),
            )
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trivet") as http:
            statuses.append((await http.get(f"/v1/users/{ADMIN_ID}", headers=USER)).status_code)
            monkeypatch.setattr(CachedRpc, "may_be_shown", lambda *_, **__: True)
            statuses.append((await http.get(f"/v1/users/{ADMIN_ID}", headers=USER)).status_code)
    assert statuses == [403, 200]


async def test_an_administrator_is_shown_anybodys(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["Get"] = profiles
    assert (await http.get(f"/v1/users/{USER_ID}", headers=ADMIN)).json()["name"] == "Ursula"
    assert asked(services, "GetUser") == []


async def test_a_miss_goes_to_the_owner_in_the_persons_name_with_the_lease(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """R16: the owner fills with the position of the miss."""
    services.answers["Get"] = GetResponse(lookup=Lookup(position=Position(epoch="e", offset=7)))
    services.answers["GetUser"] = User(id=USER_ID, name="from identity")
    assert (await http.get("/v1/users/me", headers=USER)).json()["name"] == "from identity"
    call = services.last("GetUser")
    assert (call.actor.user_id, call.lease) == (USER_ID, "e:7")
    assert not services.last("Get").actor.is_person


@pytest.mark.parametrize("failure", [Unavailable("STORE_UNAVAILABLE", "away"), RuntimeError("a bug")])
async def test_a_cache_that_fails_is_a_miss(http: httpx.AsyncClient, services: StandIns, failure: Exception) -> None:
    """R14."""
    services.answers |= {"Get": failure, "GetUser": User(id=USER_ID, name="from identity")}
    assert (await http.get("/v1/users/me", headers=USER)).json()["name"] == "from identity"
    services.reset()
    await asks_again(http, services)


async def test_what_cannot_be_a_key_is_not_looked_for_and_leaves_the_cache_in_use(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """R14: else anybody could make the gateway take the cache for broken."""
    services.answers |= {"Get": profiles, "GetUser": User(id="a b")}
    for user_id in ("a%20b", "%C3%BC", "x" * 513):
        assert (await http.get(f"/v1/users/{user_id}", headers=ADMIN)).status_code == 200
    assert {request.namespace for request in asked(services, "Get")} == {"sessions"}
    assert asked(services, "GetUser")[0] == GetUserRequest(user_id="a b")
    assert (await http.get("/v1/users/me", headers=USER)).json()["name"] == "Ursula"


async def asks_again(http: httpx.AsyncClient, services: StandIns) -> None:
    """Return once the gateway asks the cache, which it leaves alone for a second after a failure."""
    async with asyncio.timeout(5):
        while not asked(services, "Get"):
            await http.get("/v1/users/me", headers=USER)
