"""The bare equivalent of a sign-in: the same hasher with the same threads verifies a correct password."""

import asyncio
import time

from bench.load.samples import Round
from services.identity.passwords.hashing import Hasher


async def sustained(password: str, callers: int, seconds: float) -> Round:
    """Verify the password for `seconds`, with `callers` in flight at a time. A wrong result counts as a failure."""
    milliseconds: list[float] = []
    failures = 0
    with Hasher() as hasher:
        stored = await hasher.hash(password)
        end = time.perf_counter() + seconds

        async def worker() -> None:
            nonlocal failures
            while (began := time.perf_counter()) < end:
                failures += not await hasher.verify(stored, password)
                milliseconds.append(1000 * (time.perf_counter() - began))

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(callers)))
        return Round(time.perf_counter() - began, milliseconds, failures)
