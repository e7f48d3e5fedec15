"""People at a gateway, as browsers on its own origin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ops.identity.identity_access import ACTOR, open_identity
from runtime.ids import new_id
from services.identity.users.users import Role
from tests.harness.clients import from_another_client

PASSWORD = "a long enough password"
FAST_HASHING = {"TRIVET_HASHING_MEMORY_KIB": "64", "TRIVET_HASHING_PASSES": "1"}
"""For tests that hash on the way to something else."""


def new_email() -> str:
    return f"{new_id().lower()}@example.com"


def browser(url: str, *, connections: int = 100, timeout: float = 15) -> httpx.AsyncClient:
    """Return a client that keeps cookies and sends its origin.

    Each request names another client address, which a gateway that trusts this machine as a proxy limits by.
    """
    limits = httpx.Limits(max_connections=connections)
    hooks = {"request": [from_another_client]}
    return httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=timeout, limits=limits, event_hooks=hooks)


def credentials(email: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"email": email, "password": password}


async def sign_up(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/sign-up/email", json={"name": "Ada", **credentials(email, password)})


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/sign-in/email", json=credentials(email, password))


@asynccontextmanager
async def signed_up(url: str, email: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose cookies are those of a new account."""
    async with browser(url) as client:
        (await sign_up(client, email)).raise_for_status()
        yield client


async def promote(database_url: str, email: str) -> None:
    """Make somebody an administrator, as `trivet users promote` does."""
    async with open_identity(database_url) as identity:
        user = await identity.user(email)
        await identity.administration.set_role(user.id, Role.ADMIN, actor=ACTOR)
