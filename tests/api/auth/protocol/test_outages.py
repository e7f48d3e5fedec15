"""What the auth routes answer when what they stand on is away."""

import signal
from collections.abc import Iterator

import pytest

from tests.api.auth.conftest import (
    PASSWORD,
    Site,
    browser,
    cached,
    cookie,
    reaches_identity,
    session_of,
    sign_up,
    wait_until,
)
from tests.harness.processes import Process
from tests.harness.stores.engines import Engine

AWAY = b'{"message":"Service unavailable","code":"SERVICE_UNAVAILABLE"}'


@pytest.fixture
def fragile(breakable: tuple[Site, Process], valkey: Engine) -> Iterator[tuple[Site, Process]]:
    """A site and a gateway that a test may break, and that are whole again afterwards."""
    yield breakable
    assert valkey.process is not None
    if valkey.process.poll() is not None:
        valkey.restart()
    site, gateway = breakable
    site.restore()
    wait_until(lambda: reaches_identity(gateway))


def test_without_redis_sessions_are_still_valid(fragile: tuple[Site, Process], valkey: Engine) -> None:
    """R14: also new ones, and an ended one stays ended."""
    site, gateway = fragile
    with browser(gateway) as client:
        cached(site, client, sign_up(client))
        assert valkey.process is not None
        valkey.process.kill()
        valkey.process.wait()
        assert session_of(client)
        kept = cookie(client)
        assert client.post("/sign-out").json() == {"success": True}
        assert client.get("/get-session", headers=kept).json() is None
        sign_up(client)
        assert session_of(client)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_cache_service_sessions_are_still_valid(
    fragile: tuple[Site, Process], fault: signal.Signals
) -> None:
    """R3, R14: gone or hung."""
    site, gateway = fragile
    with browser(gateway) as client:
        cached(site, client, sign_up(client))
        site.cache.signal(fault)
        assert session_of(client)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_without_identity_the_answer_is_503_until_it_is_back(
    fragile: tuple[Site, Process], fault: signal.Signals
) -> None:
    """R3, G7: within the deadline, with Retry-After and no word of hosts; the cookies are kept."""
    site, gateway = fragile
    with browser(gateway) as client:
        sign_up(client)
        site.identity.signal(fault)
        for method, path, body in (
            ("GET", "/get-session", None),
            ("POST", "/sign-out", {}),
            ("POST", "/sign-in/email", {"email": "a@x.io", "password": PASSWORD}),
        ):
            answer = client.request(method, path, json=body)
            assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (503, AWAY, "1")
        assert client.get("/ok").json() == {"ok": True}
        assert client.cookies
        if fault is signal.SIGSTOP:
            site.identity.signal(signal.SIGCONT)
            assert session_of(client)


def test_what_is_cached_is_served_without_identity_for_a_while(fragile: tuple[Site, Process]) -> None:
    """R13: sessions seen within the last 30 seconds."""
    site, gateway = fragile
    with browser(gateway) as client:
        cached(site, client, sign_up(client))
        site.identity.kill()
        assert session_of(client)
