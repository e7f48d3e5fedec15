"""Hashing passwords beside everything else: in threads of their own, behind a short queue that sheds."""

import asyncio
import contextlib
import hashlib
import hmac
import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Counter, Gauge

from runtime.errors import Unavailable

T = TypeVar("T")
NICENESS = 10
# `SALT:KEY` in hexadecimal; the salt is used as the 32 characters that it is written in.
BETTER_AUTH_SCRYPT = re.compile(r"([0-9a-f]{32}):([0-9a-f]{128})")

shed = Counter("trivet_hashing_shed_total", "Passwords refused unhashed because too many were waiting.")
waiting = Gauge("trivet_hashing_waiting", "Passwords that wait for a thread.")


@dataclass(frozen=True)
class HashingConfig:
    """Argon2id's parameters (OWASP's numbers), and how many may hash and wait at once."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1
    workers: int = max(1, (os.cpu_count() or 2) - 1)
    queue: int = 80


class Hasher:
    """Makes and checks password hashes without holding up the event loop.

    Memory is bounded by workers x memory_kib. A thread takes the next password itself, without a turn of the event loop
    in which it would be idle. A call that was cancelled or ran out of time while it waited costs nothing. Use it as a
    context manager.
    """

    def __init__(self, cost: HashingConfig | None = None) -> None:
        self._cost = cost or HashingConfig()
        self._argon2 = PasswordHasher(self._cost.passes, self._cost.memory_kib, self._cost.lanes)
        self._unfinished = 0
        self._threads = ThreadPoolExecutor(self._cost.workers, "hashing", initializer=_step_back)
        # Checked for users that are unknown or have no password, so that they take as long as all others.
        self._dummy = self._argon2.hash("no user has this password")

    def __enter__(self) -> "Hasher":
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Return an Argon2id hash in PHC format. Raises Unavailable (HASHING_OVERLOADED) before any work."""
        return await self._in_a_thread(lambda: self._argon2.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one, by the scheme it is stored in; None takes as long, and is not.

        The schemes are Argon2 and the scrypt of Better Auth; whatever else is stored matches nothing.
        Raises Unavailable (HASHING_OVERLOADED) before any work.
        """
        right = await self._in_a_thread(lambda: self._matches(stored or self._dummy, password))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash is of another scheme than ours, or took less memory or fewer passes than are set now."""
        try:
            used = extract_parameters(stored)
        except InvalidHashError:
            return True
        is_cheap = used.memory_cost < self._cost.memory_kib or used.time_cost < self._cost.passes
        return used.type is not Type.ID or is_cheap

    @property
    def is_busy(self) -> bool:
        """Whether passwords wait: what can be done another time should be."""
        return self._waiting > 0

    def _matches(self, stored: str, password: str) -> bool:
        if scrypt := BETTER_AUTH_SCRYPT.fullmatch(stored):
            key = hashlib.scrypt(
                password.encode(), salt=scrypt[1].encode(), n=16384, r=16, p=1, dklen=64, maxmem=128 * 16384 * 16 * 2
            )
            return hmac.compare_digest(key.hex(), scrypt[2])
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_a_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._cost.queue:
            shed.inc()
            raise Unavailable("HASHING_OVERLOADED", "too many passwords wait to be checked: try again", retry_after=1.0)
        job = self._threads.submit(work)
        done = asyncio.wrap_future(job)
        self._count(1)
        # The thread is free when it is done, not when its caller has left.
        done.add_done_callback(lambda _: self._count(-1))
        try:
            return await asyncio.shield(done)
        finally:
            job.cancel()  # does nothing once a thread has begun

    def _count(self, change: int) -> None:
        self._unfinished += change
        waiting.set(self._waiting)

    @property
    def _waiting(self) -> int:
        return max(0, self._unfinished - self._cost.workers)


def _step_back() -> None:
    """Let the scheduler prefer everything else of ours; on Linux a thread has a niceness of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
