"""Rate limits in tests: on as in production, with many clients that a trusted proxy names, or off with a reason."""

import itertools

import httpx

LIMITED = {"TRIVET_RATE_LIMIT": "on", "TRIVET_TRUSTED_PROXIES": "127.0.0.0/8"}
"""Limits as in production, behind a proxy on this machine: a client that must not be limited sends X-Forwarded-For."""
UNLIMITED = {"TRIVET_RATE_LIMIT": "off"}
"""For tests in which a limit itself is in the way: each use says which limit."""

_numbers = itertools.count(1)


def another_client() -> str:
    """Return an address that no request of this process has come from."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def name_another_client(request: httpx.Request) -> None:
    """Send a request as a trusted proxy passes it on for one more client; a hook of an httpx.Client."""
    request.headers["x-forwarded-for"] = another_client()


async def from_another_client(request: httpx.Request) -> None:
    """As `name_another_client`; a hook of an httpx.AsyncClient."""
    name_another_client(request)
