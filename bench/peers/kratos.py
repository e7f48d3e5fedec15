"""Ory Kratos as a peer: its configuration, its tables, and a user signed up by its API flow."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.peers import packages
from bench.peers.peer import Peer
from tests.harness.ports import free_port
from tests.harness.processes import SECRET
from tests.harness.stores.engines import end, wait_for_port

NAME = "Ory Kratos, PostgreSQL"
SETTINGS = "PostgreSQL with 10 connections, errors alone logged, no courier; it has no rate limit of its own"
WHOAMI = "/sessions/whoami"
MIGRATE_SECONDS = 120
SCHEMA = {
    "$id": "user",
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "traits": {
            "type": "object",
            "properties": {
                "email": {
                    "type": "string",
                    "format": "email",
                    "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}},
                },
                "name": {"type": "string"},
            },
            "required": ["email"],
        }
    },
}


@contextmanager
def peer(database: str, user: Mapping[str, str], folder: Path) -> Iterator[Peer]:
    """Create its tables in PostgreSQL, run it, and sign the user up."""
    if not packages.kratos().exists():
        raise RuntimeError("Ory Kratos is not built: see above")
    public, admin = free_port(), free_port()
    schema, configuration, log = folder / "user.json", folder / "kratos.json", folder / "kratos.log"
    schema.write_text(json.dumps(SCHEMA))
    configuration.write_text(json.dumps(_configuration(f"http://127.0.0.1:{public}", public, admin, schema)))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DSN": f"{database.replace('postgresql://', 'postgres://')}?sslmode=disable&max_conns=10&max_idle_conns=10",
        "SECRETS_DEFAULT": SECRET[:32].ljust(32, "x"),
    }
    program = str(packages.kratos())
    with log.open("wb") as output:
        migrating = [program, "migrate", "sql", "-e", "--yes", "-c", str(configuration)]
        done = subprocess.run(migrating, env=environment, stdout=output, stderr=output, timeout=MIGRATE_SECONDS)
        if done.returncode:
            raise RuntimeError(f"Kratos could not make its tables: {log.read_text(errors='replace')[-500:]}")
        serving = [program, "serve", "-c", str(configuration), "--dev", "--sqa-opt-out"]
        process = subprocess.Popen(serving, env=environment, stdout=output, stderr=output)
    try:
        wait_for_port(public, process, log)
        token = asyncio.run(_sign_up(f"http://127.0.0.1:{public}", user))
        yield Peer(NAME, public, process.pid, user, WHOAMI, {"x-session-token": token})
    finally:
        end(process)


def _configuration(url: str, public: int, admin: int, schema: Path) -> dict[str, Any]:
    return {
        "serve": {
            "public": {
                "base_url": url,
                "host": "127.0.0.1",
                "port": public,
            },
            "admin": {"host": "127.0.0.1", "port": admin},
        },
        "log": {"level": "error"},
        "identity": {"default_schema_id": "user", "schemas": [{"id": "user", "url": f"file://{schema}"}]},
        "selfservice": {
            "default_browser_return_url": url,
            "methods": {"password": {"enabled": True, "config": {"haveibeenpwned_enabled": False}}},
            "flows": {"registration": {"after": {"password": {"hooks": [{"hook": "session"}]}}}},
        },
    }


async def _sign_up(url: str, user: Mapping[str, str]) -> str:
    """Sign a user up. Return the session token. Raises RuntimeError if it is not valid."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        flow = (await client.get("/self-service/registration/api")).raise_for_status().json()
        given = {
            "method": "password",
            "password": user["password"],
            "traits": {"email": user["email"], "name": user["name"]},
        }
        signed_up = await client.post("/self-service/registration", params={"flow": flow["id"]}, json=given)
        token: str = signed_up.raise_for_status().json()["session_token"]
        found = (await client.get(WHOAMI, headers={"x-session-token": token})).raise_for_status().json()
    if found["identity"]["traits"]["email"] != user["email"]:
        raise RuntimeError("Kratos does not return the session's user")
    return token
