"""A person's own profile over HTTP, with the real cache and identity behind it."""

import signal
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from tests.api.auth.conftest import ORIGIN, Site, sign_up, wait_until
from tests.harness.processes import Process
from tests.harness.stores.engines import Engine


@pytest.fixture
def site(breakable: tuple[Site, Process], valkey: Engine) -> Iterator[Site]:
    """A site that a test may break, and that is whole again afterwards."""
    yield breakable[0]
    breakable[0].restore()


@pytest.fixture
def client(breakable: tuple[Site, Process]) -> Iterator[httpx.Client]:
    address = f"http://{breakable[1].address}/api/auth"
    with httpx.Client(base_url=address, headers={"origin": ORIGIN}, timeout=10) as opened:
        yield opened


def profile(client: httpx.Client, user_id: str = "me") -> httpx.Response:
    return client.get(str(client.base_url).replace("/api/auth/", f"/v1/users/{user_id}"))


def both_cached(site: Site, client: httpx.Client) -> None:
    """Return once the client's session and profile are in the cache."""
    user_id = profile(client).json()["id"]
    with Redis.from_url(site.redis_url) as redis:

        def are_there() -> bool:
            assert profile(client).status_code == 200
            keys = list(redis.scan_iter())
            return any(b":sessions:" in key for key in keys) and any(user_id.encode() in key for key in keys)

        wait_until(are_there)


def test_a_profile_that_is_cached_is_answered_while_identity_is_away(site: Site, client: httpx.Client) -> None:
    """2.4: a hit makes no call to identity."""
    sign_up(client)
    both_cached(site, client)
    site.identity.signal(signal.SIGSTOP)
    assert profile(client).json()["name"] == "Ann"


def test_a_profile_shows_a_change_as_soon_as_it_is_made(site: Site, client: httpx.Client) -> None:
    """R16."""
    sign_up(client)
    both_cached(site, client)
    for name in ("Zoë", "Bea"):
        client.post("/update-user", json={"name": name}).raise_for_status()
        assert profile(client).json()["name"] == name


def test_anothers_profile_is_refused_although_it_is_cached(site: Site, client: httpx.Client) -> None:
    """G3."""
    sign_up(client)
    both_cached(site, client)
    user_id = profile(client).json()["id"]
    with httpx.Client(base_url=client.base_url, headers={"origin": ORIGIN}) as stranger:
        sign_up(stranger)
        assert profile(stranger, user_id).status_code == 403
        assert profile(stranger).status_code == 200


def test_without_the_cache_a_profile_is_still_right(site: Site, client: httpx.Client) -> None:
    """R14: also after a change, which the gateway's memory may not know of for half a second."""
    sign_up(client)
    both_cached(site, client)
    site.cache.kill()
    assert profile(client).json()["name"] == "Ann"
    client.post("/update-user", json={"name": "Zoë"}).raise_for_status()
    wait_until(lambda: profile(client).json()["name"] == "Zoë")
