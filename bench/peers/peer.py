"""Session checks of other products on the same stores, with one worker and one signed-up user each."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bench.load.http import Request, request
from bench.peers import packages
from services.identity.passwords.hashing import HashingConfig
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from tests.harness.ports import free_port
from tests.harness.processes import SECRET
from tests.harness.stores.engines import end, wait_for_port

SIGN_IN = "/api/auth/sign-in/email"
SIGN_UP = "/api/auth/sign-up/email"
GET_SESSION = "/api/auth/get-session"
UVICORN = ("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error")


@dataclass(frozen=True)
class PeerConfig:
    """`redis` is empty for a peer without Redis. `cookie_cache` is `on` or `off`."""

    port: int
    database: str = field(repr=False)
    redis: str = field(repr=False)
    cookie_cache: str


Command = Callable[[PeerConfig], tuple[list[str], Path, dict[str, str]]]


@dataclass(frozen=True)
class PeerKind:
    """A product with settings: its name in the tables, its command, and a sentence about the settings."""

    name: str
    command: Command
    settings: str
    with_redis: bool = False
    cookie_cache: bool = False
    signs_up: bool = True

    @property
    def is_revocable(self) -> bool:
        """Whether a revoked session is refused at once."""
        return not self.cookie_cache


@dataclass
class Peer:
    """A running peer, and the user signed in there."""

    name: str
    port: int
    pid: int
    user: Mapping[str, str]
    path: str = GET_SESSION
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Headers with the credentials of the session."""

    def get_session(self) -> Request:
        expects = self.user["email"].encode()
        return request(self.port, "GET", self.path, self.headers, expects=expects)

    def sign_in(self) -> Request:
        body = f'{{"email":"{self.user["email"]}","password":"{self.user["password"]}"}}'.encode()
        headers = {"content-type": "application/json", "origin": f"http://127.0.0.1:{self.port}"}
        return request(self.port, "POST", SIGN_IN, headers, body)


def _better_auth(config: PeerConfig) -> tuple[list[str], Path, dict[str, str]]:
    """Start npm's better-auth. Its hasher has our parameters, and one thread per core."""
    uri = store_url.parse(config.database).url.set(drivername="mysql").render_as_string(hide_password=False)
    numbers = (StoreLimits().connections, HashingConfig().memory_kib, HashingConfig().passes)
    command = ["node", "server.mjs", uri, str(config.port), SECRET, *map(str, numbers), config.cookie_cache]
    environment = {"NODE_ENV": "production", "UV_THREADPOOL_SIZE": str(os.cpu_count() or 1)}
    return [*command, *([config.redis] if config.redis else [])], packages.NODE, environment


def _uvicorn(app: str) -> Command:
    def command(config: PeerConfig) -> tuple[list[str], Path, dict[str, str]]:
        url, _ = store_url.parse(config.database).for_service()
        environment = {
            "PEER_DATABASE": url.render_as_string(hide_password=False),
            "PEER_REDIS": config.redis,
            "PEER_SECRET": SECRET,
            "PEER_URL": f"http://127.0.0.1:{config.port}",
            "PEER_COOKIE_CACHE": config.cookie_cache,
        }
        started = [str(packages.python()), *UVICORN, "--host", "127.0.0.1", "--port", str(config.port), app]
        return started, packages.FILES, environment

    return command


_server = _uvicorn("better_auth_server_app:app")
FASTAPI = "FastAPI + SQLAlchemy"
BETTER_AUTH = "better-auth, database"
NPM = "NODE_ENV=production, its rate limit on, errors alone logged, no telemetry, joins, 10 connections by mysql2"
PYPI = "uvicorn with uvloop and httptools, no access log, no rate limit, asyncmy with a pool of 10"
CACHING = "cookie cache good for an hour"
PEER_KINDS = (
    PeerKind(BETTER_AUTH, _better_auth, NPM),
    PeerKind("better-auth, Redis", _better_auth, f"{NPM}; sessions in Redis by ioredis, pipelined", with_redis=True),
    PeerKind("better-auth, cookie cache", _better_auth, f"{NPM}; {CACHING}", cookie_cache=True),
    PeerKind("better-auth-server, database", _server, PYPI),
    PeerKind("better-auth-server, Redis", _server, f"{PYPI}; sessions in Redis by redis-py, hiredis", with_redis=True),
    PeerKind("better-auth-server, cookie cache", _server, f"{PYPI}; {CACHING}", cookie_cache=True),
    PeerKind(FASTAPI, _uvicorn("fastapi_app:app"), f"{PYPI}; one SELECT with a join, by the ORM", signs_up=False),
)


@contextmanager
def peer(kind: PeerKind, sql: str, redis: str, user: Mapping[str, str], token: str, folder: Path) -> Iterator[Peer]:
    """Run one worker, and sign the user up. A peer without sign-up uses `token` and our own tables."""
    if store_url.parse(sql).kind != "mysql":
        raise RuntimeError("peers need MariaDB, which is not installed")
    own = "peer_" + "".join(letter if letter.isalnum() else "_" for letter in kind.name)
    database = _create(sql, own) if kind.signs_up else sql
    cached = "on" if kind.cookie_cache else "off"
    config = PeerConfig(free_port(), database, f"{redis.rpartition('/')[0]}/1" if kind.with_redis else "", cached)
    command, folder_of_command, environment = kind.command(config)
    log = folder / f"{own}.log"
    with log.open("wb") as output:
        environment = {"PATH": os.environ["PATH"], **environment}
        process = subprocess.Popen(command, cwd=folder_of_command, env=environment, stdout=output, stderr=output)
    try:
        wait_for_port(config.port, process, log)
        made = Peer(kind.name, config.port, process.pid, user)
        if kind.signs_up:
            asyncio.run(_sign_up(made))
        else:
            made.path, made.headers = "/session", {"cookie": f"session_token={token}"}
        yield made
    finally:
        end(process)


def _create(sql: str, name: str) -> str:
    """Create an empty database on the same server, and return its URL."""
    store = store_url.parse(sql)
    url, arguments = store.for_operator()
    with create_engine(url, connect_args=arguments, poolclass=NullPool).connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    return store.url.set(database=name).render_as_string(hide_password=False)


async def _sign_up(made: Peer) -> None:
    url = f"http://127.0.0.1:{made.port}"
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post(SIGN_UP, json=dict(made.user))).raise_for_status()
        found = (await browser.get(GET_SESSION)).raise_for_status().json()
        made.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    if found["user"]["email"] != made.user["email"]:
        raise RuntimeError("the peer does not return the session's user")
