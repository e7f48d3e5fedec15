"""Derives keys from the operator's secret. Each pair of processes shares a key, which proves the caller."""

import hashlib
import hmac
from collections.abc import Sequence

SERVICES = ("identity", "notifications", "cache")
CALLS = {
    "gateway": ("identity", "notifications", "cache"),
    "identity": ("cache", "notifications"),
    "notifications": ("cache",),
    "cache": (),
}
"""The services that each process calls. A program can call all of them."""
SEALING = ("identity", "notifications")
"""The services that store encrypted secrets."""


def pair_key(secret: str, caller: str, audience: str) -> bytes:
    """Return the 32-byte key that `caller` and `audience` share. Other pairs' keys reveal nothing about it."""
    return hmac.digest(secret.encode(), f"trivet pair key 1: {caller}>{audience}".encode(), hashlib.sha256)


def seal_keys(secrets: Sequence[str], process: str) -> str:
    """Return the value of TRIVET_SEAL_KEYS for a process: the key of the current secret, then those of former ones."""
    info = f"trivet seal key 1: {process}".encode()
    return ",".join(hmac.digest(secret.encode(), info, hashlib.sha256).hex() for secret in secrets)


def call_keys(secret: str, caller: str) -> str:
    """Return the value of TRIVET_CALL_KEYS for a process or a program."""
    audiences = CALLS.get(caller, SERVICES)
    return ",".join(f"{audience}={pair_key(secret, caller, audience).hex()}" for audience in audiences)


def accept_keys(secret: str, audience: str, programs: tuple[str, ...]) -> str:
    """Return the value of TRIVET_ACCEPT_KEYS for a service that these programs can call besides Trivet's own."""
    callers = [caller for caller, audiences in CALLS.items() if audience in audiences]
    return ",".join(f"{caller}={pair_key(secret, caller, audience).hex()}" for caller in (*callers, *programs))
