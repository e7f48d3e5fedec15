"""Real processes behind the auth routes: identity on SQLite, the cache on Valkey, and gateways as a test wants them."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from runtime.ids import new_id, token_hash
from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.processes import Process, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine

PASSWORD = "correct horse battery"
SECRET = {"password": PASSWORD}
ORIGIN = "http://localhost:3999"
numbers = itertools.count()


@dataclass
class Site:
    """Identity and cache, running, and the files and addresses behind them."""

    identity: Process
    cache: Process
    database: Path
    redis_url: str

    def gateway(self, **extra: str) -> AbstractContextManager[Process]:
        """Run a gateway before these services; `extra` is added to its environment."""
        return process(
            "gateway",
            port=None,
            wait=True,
            TRIVET_IDENTITY_ADDRESS=self.identity.address,
            TRIVET_CACHE_ADDRESS=self.cache.address,
            **extra,
        )

    def restore(self) -> None:
        """Bring back what a test stopped or killed."""
        for running in (self.identity, self.cache):
            running.restore()

    def execute(self, statement: str, *values: object) -> None:
        """Change what the database holds behind identity's back."""
        with sqlite3.connect(self.database, timeout=5) as connection:
            connection.execute(statement, values)
        connection.close()


@contextmanager
def running_site(folder: Path, redis_url: str, **extra: str) -> Iterator[Site]:
    """Run identity on a fresh database and the cache on `redis_url`."""
    database = folder / "identity.db"
    url = f"sqlite:///{database}"
    migrate.upgrade(url)
    with (
        process("cache", REDIS_URL=redis_url) as cache,
        process(
            "identity", port=None, wait=True, DATABASE_URL=url, TRIVET_CACHE_ADDRESS=cache.address, **extra
        ) as identity,
    ):
        yield Site(identity, cache, database, redis_url)


@pytest.fixture(scope="package")
def site(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests of this folder; each test brings its own people."""
    folder = tmp_path_factory.mktemp("site")
    with running_site(folder, engine.get("valkey").url) as running:
        yield running


@pytest.fixture(scope="module")
def valkey() -> Iterator[Engine]:
    """A Valkey of the module's own, which its tests may break."""
    with engines.valkey() as running:
        yield running


@pytest.fixture(scope="module")
def breakable(valkey: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Process]]:
    """A site and a gateway of the module's own, which its tests may break."""
    folder = tmp_path_factory.mktemp("breakable")
    with running_site(folder, valkey.url) as site, site.gateway(TRIVET_BASE_URL=ORIGIN) as gateway:
        yield site, gateway


@pytest.fixture(scope="package")
def gateway(site: Site) -> Iterator[Process]:
    """A gateway that limits nothing."""
    with site.gateway(TRIVET_BASE_URL=ORIGIN) as running:
        yield running


@pytest.fixture
def client(gateway: Process) -> Iterator[httpx.Client]:
    """A browser at our own origin, with a cookie jar."""
    with browser(gateway) as opened:
        yield opened


def browser(gateway: Process) -> httpx.Client:
    """Return a client that keeps cookies and says where it comes from, as a browser does."""
    return httpx.Client(base_url=f"http://{gateway.address}/api/auth", headers={"origin": ORIGIN})


def wait_until(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Return once the condition holds; it fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def cached(site: Site, client: httpx.Client, token: str) -> None:
    """Return once the client's session is in the cache: a gateway that met a dead one asks it again after a second."""
    key = token_hash(token).encode()
    with Redis.from_url(site.redis_url) as redis:
        wait_until(lambda: session_of(client) is not None and any(key in name for name in redis.scan_iter()))


def reaches_identity(gateway: Process) -> bool:
    """Whether the gateway can ask identity for a session that no cache knows."""
    stranger = {"authorization": f"Bearer {new_id()}"}
    return httpx.get(f"http://{gateway.address}/api/auth/get-session", headers=stranger).status_code == 200


def cookie(client: httpx.Client) -> dict[str, str]:
    """Return the Cookie header that a browser sends, for use without its jar."""
    return {"cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def new_email() -> str:
    return f"person{next(numbers)}@example.com"


def sign_up(client: httpx.Client, email: str | None = None) -> str:
    """Sign a new person up; the client holds the cookie afterwards. Return the token."""
    return _token(client.post("/sign-up/email", json={"name": "Ann", "email": email or new_email(), **SECRET}))


def sign_in(client: httpx.Client, email: str, **extra: object) -> str:
    """Sign somebody in; the client holds the cookie afterwards. Return the token."""
    return _token(client.post("/sign-in/email", json={"email": email, **SECRET, **extra}))


def _token(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def session_of(client: httpx.Client) -> dict[str, str] | None:
    """Return the client's session as get-session has it, or None."""
    body = client.get("/get-session").json()
    return body and dict(body["session"])
