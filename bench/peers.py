"""npm's better-auth on the same MariaDB, installed once into bench/.work: what it makes of the same requests."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bench.http_load import Request, request
from services.identity import store_url
from services.identity.engine import Limits
from services.identity.hashing import Cost
from tests.harness.engines import end, free_port, wait_for_port
from tests.harness.processes import SECRET

FILES = Path(__file__).parent / "peer"
WORK = Path(__file__).parent / ".work" / "peer"
DATABASE = "better_auth"
SIGN_IN = "/api/auth/sign-in/email"
GET_SESSION = "/api/auth/get-session"


@dataclass
class Peer:
    """A server of the original's, and the person who has signed up there."""

    port: int
    pid: int
    person: dict[str, str]
    cookie: str = field(default="", repr=False)

    def get_session(self) -> Request:
        return request(self.port, "GET", GET_SESSION, {"cookie": self.cookie})

    def sign_in(self) -> Request:
        body = f'{{"email":"{self.person["email"]}","password":"{self.person["password"]}"}}'.encode()
        headers = {"content-type": "application/json", "origin": f"http://127.0.0.1:{self.port}"}
        return request(self.port, "POST", SIGN_IN, headers, body)


def install() -> None:
    """Bring the locked packages of bench/peer to bench/.work. Raises SystemExit that says what is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise SystemExit("bench: PEERS=1 needs Node 20 or later with npm on PATH: install it, or leave PEERS out")
    lock = (FILES / "package-lock.json").read_text()
    installed = WORK / "node_modules" / ".installed"  # gone with what it vouches for
    if not installed.exists() or installed.read_text() != lock:
        WORK.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FILES / name, WORK / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=WORK, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit("bench: npm could not install bench/peer (see above): is its registry reachable?")
        installed.write_text(lock)
    shutil.copy(FILES / "server.mjs", WORK / "server.mjs")


@contextmanager
def peer(sql: str, person: dict[str, str], log: Path, *, cookie_cache: bool = False) -> Iterator[Peer]:
    """Run one worker of the original on our MariaDB, in a database of its own, and sign the person up there."""
    store = store_url.parse(sql)
    if store.kind != "mysql":
        raise SystemExit("bench: PEERS=1 compares on MariaDB: install mariadb-server, or leave PEERS out")
    name, port, cost = f"{DATABASE}_{'cached' if cookie_cache else 'plain'}", free_port(), Cost()
    _create(sql, name)
    uri = store.url.set(drivername="mysql", database=name).render_as_string(hide_password=False)
    numbers = (Limits().connections, cost.memory_kib, cost.passes)
    arguments = [uri, str(port), SECRET, *map(str, numbers), "on" if cookie_cache else "off"]
    environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production", "UV_THREADPOOL_SIZE": str(os.cpu_count() or 1)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["node", "server.mjs", *arguments], cwd=WORK, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for_port(port, process, log)
        yield asyncio.run(_signed_up(Peer(port, process.pid, person)))
    finally:
        end(process)


def _create(sql: str, name: str) -> None:
    url, arguments = store_url.parse(sql).for_operator()
    engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))


async def _signed_up(made: Peer) -> Peer:
    url = f"http://127.0.0.1:{made.port}"
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=made.person)).raise_for_status()
        found = (await browser.get(GET_SESSION)).json()
        made.cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    if found["user"]["email"] != made.person["email"]:
        raise RuntimeError("the peer knows nobody")
    return made


def versions() -> dict[str, str]:
    """Return what ran: Node, and the packages as they are locked."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    return {"node": node} | {name: _version(name) for name in ("better-auth", "mysql2", "@node-rs/argon2")}


def _version(name: str) -> str:
    return str(json.loads((WORK / "node_modules" / name / "package.json").read_text())["version"])
