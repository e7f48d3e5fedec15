"""Password hashing in a thread pool with a bounded queue, which sheds load."""

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
# `SALT:KEY` in hexadecimal. The salt is used as these 32 characters, not decoded.
BETTER_AUTH_SCRYPT = re.compile(r"([0-9a-f]{32}):([0-9a-f]{128})")

shed = Counter("trivet_hashing_shed_total", "Passwords that were not hashed because the queue was full.")
waiting = Gauge("trivet_hashing_waiting", "Passwords that wait for a thread.")


@dataclass(frozen=True)
class HashingConfig:
    """Argon2id's parameters, by default OWASP's, the number of threads, and the size of the queue."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1
    workers: int = max(1, (os.cpu_count() or 2) - 1)
    queue: int = 80


class Hasher:
    """Makes and checks password hashes without blocking the event loop. Use it as a context manager.

    Memory is bounded by workers x memory_kib. A thread takes the next password without waiting for the event loop. A
    call that is cancelled while it waits is not hashed.
    """

    def __init__(self, cost: HashingConfig | None = None) -> None:
        self._cost = cost or HashingConfig()
        self._argon2 = PasswordHasher(self._cost.passes, self._cost.memory_kib, self._cost.lanes)
        self._unfinished = 0
        self._threads = ThreadPoolExecutor(self._cost.workers, "hashing", initializer=_lower_priority)
        # Checked for unknown users and users without a password, so that all checks take the same time.
        self._dummy = self._argon2.hash("no user has this password")

    def __enter__(self) -> "Hasher":
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Return an Argon2id hash in PHC format. Raises Unavailable (HASHING_OVERLOADED) before any work."""
        return await self._in_a_thread(lambda: self._argon2.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password matches the stored hash. None matches no password, and takes the same time.

        The schemes are Argon2 and the scrypt of Better Auth. A hash of another scheme matches no password.
        Raises Unavailable (HASHING_OVERLOADED) before any work.
        """
        right = await self._in_a_thread(lambda: self._matches(stored or self._dummy, password))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash is not Argon2id, or has less memory or fewer passes than the current configuration."""
        try:
            used = extract_parameters(stored)
        except InvalidHashError:
            return True
        is_cheap = used.memory_cost < self._cost.memory_kib or used.time_cost < self._cost.passes
        return used.type is not Type.ID or is_cheap

    @property
    def is_busy(self) -> bool:
        """Whether passwords wait in the queue. Optional work should be postponed then."""
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
            raise Unavailable(
                "HASHING_OVERLOADED", "too many passwords wait to be hashed: retry later", retry_after=1.0
            )
        job = self._threads.submit(work)
        done = asyncio.wrap_future(job)
        self._count(1)
        # Counted until the thread is free, also if the caller was cancelled.
        done.add_done_callback(lambda _: self._count(-1))
        try:
            return await asyncio.shield(done)
        finally:
            job.cancel()  # no effect once a thread has started

    def _count(self, change: int) -> None:
        self._unfinished += change
        waiting.set(self._waiting)

    @property
    def _waiting(self) -> int:
        return max(0, self._unfinished - self._cost.workers)


def _lower_priority() -> None:
    """Lower this thread's priority below the rest of the process. Only on Linux, a thread has its own niceness."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
