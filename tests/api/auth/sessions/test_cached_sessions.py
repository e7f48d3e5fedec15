"""What the gateway makes of a session that the cache holds, and when it asks identity all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from runtime.clock import timestamp, utc_now
from runtime.ids import new_id, token_hash
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, new_email
from tests.harness.processes import Process, client
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import Entry, GetRequest, SetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.identity.v1.resources_pb2 import Session, User
from trivet.identity.v1.session_service_pb2 import VerifySessionResponse


@pytest.fixture
async def asking(site: Site, gateway: Process) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that reads from the cache: late answers in an earlier test can have stopped that."""
    url = f"http://{gateway.address}/api/auth"
    async with httpx.AsyncClient(base_url=url, headers={"origin": ORIGIN}) as opened:
        await until(lambda: is_cache_read(site, opened), 10)
        yield opened


async def is_cache_read(site: Site, client: httpx.AsyncClient) -> bool:
    token = new_id()
    await put_into_cache(site, token, cached(timedelta(minutes=1)))
    return (await client.get("/get-session", headers={"authorization": f"Bearer {token}"})).json() is not None


async def put_into_cache(site: Site, token: str, value: bytes) -> None:
    """Fill an entry as identity alone may, against the lease of a miss."""
    async with client(site.cache, caller="identity") as channel:
        cache = CacheServiceStub(channel)
        missed = await cache.Get(GetRequest(namespace="sessions", key=token_hash(token)))
        entry = Entry(key=token_hash(token), value=value, tags=["session:x"], lease=missed.lookup.position)
        assert (await cache.Set(SetRequest(namespace="sessions", entry=entry))).stored


def cached(expires_in: timedelta) -> bytes:
    """Return an entry for a session that identity knows nothing of."""
    now = utc_now()
    slides, ends = timestamp(now + timedelta(days=1)), timestamp(now + expires_in)
    session = Session(
        id=new_id(), user_id="u", create_time=timestamp(now), update_time=timestamp(now), expire_time=ends
    )
    user = User(id="u", name="Ann", create_time=timestamp(now), update_time=timestamp(now))
    return VerifySessionResponse(session=session, user=user, slide_time=slides).SerializeToString()


@pytest.mark.parametrize(("expires_in", "opens"), [(timedelta(minutes=1), True), (timedelta(seconds=-1), False)])
async def test_an_expired_session_is_over_even_while_it_is_cached(
    site: Site, asking: httpx.AsyncClient, expires_in: timedelta, opens: bool
) -> None:
    """S3: the expiry is checked on every hit; the unexpired twin shows that it was a hit."""
    token = new_id()
    await put_into_cache(site, token, cached(expires_in))
    answer = await asking.get("/get-session", headers={"authorization": f"Bearer {token}"})
    assert (answer.json() is not None) == opens


async def test_an_entry_that_cannot_be_read_is_a_miss(site: Site, asking: httpx.AsyncClient) -> None:
    """R14."""
    body = {"name": "Ann", "email": new_email(), "password": PASSWORD}
    token = (await asking.post("/sign-up/email", json=body)).json()["token"]
    await put_into_cache(site, token, b"\xff\xff not a session")
    assert (await asking.get("/get-session")).json()["session"]["token"] == token


async def test_what_is_sensitive_is_never_let_in_by_the_cache_alone(site: Site, asking: httpx.AsyncClient) -> None:
    """S4: a revoked session that lingered in a cache could still be seen by, but never do anything."""
    token = new_id()
    await put_into_cache(site, token, cached(timedelta(minutes=1)))
    bearer = {"authorization": f"Bearer {token}"}
    assert (await asking.get("/get-session", headers=bearer)).json() is not None
    for path, body in (("/revoke-sessions", {}), ("/revoke-session", {"token": "x"}), ("/delete-user", {})):
        assert (await asking.post(path, json=body, headers=bearer)).status_code == 401
