"""What identity has begun is finished before it ends: its channels close after what uses them."""

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import grpc

from tests.api.identity.conftest import identity_on, stubs
from tests.harness.processes import Process, client
from tests.harness.waiting import until
from trivet.identity.v1.session_service_pb2 import RevokeAllSessionsRequest


def _waits(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
        return int(rows.execute("SELECT count(*) FROM outbox WHERE topic = 'cache.invalidate'").fetchone()[0])


async def test_a_follow_up_under_way_at_the_end_still_reaches_the_cache(cache: Process, tmp_path: Path) -> None:
    """SIGTERM comes between the commit and the invalidation, and the call has no grace."""
    database, gate = tmp_path / "trivet.db", tmp_path / "gate"
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address) as identity:
        async with client(identity) as channel:
            made = await stubs(channel).sign_up()
    with identity_on(
        database,
        TRIVET_CACHE_ADDRESS=cache.address,
        TRIVET_GRACE_SECONDS="0",
        TRIVET_RELAY_SECONDS="60",
        TRIVET_FAILPOINTS=f"identity.after_commit=pause:{gate}",
    ) as identity:
        async with client(identity) as channel:
            request = RevokeAllSessionsRequest(user_id=made.user.id)
            call = asyncio.create_task(_result(stubs(channel).sessions.RevokeAllSessions(request)))
            await until((tmp_path / "gate.reached").exists)
            identity.signal(signal.SIGTERM)
            assert await call != "OK", "its grace is over"
            assert identity.popen.poll() is None, "it waits for what the call began"
            assert _waits(database) == 1
            gate.touch()
        assert await asyncio.to_thread(identity.popen.wait, 10) == 0
        assert "background work failed" not in identity.output()
    assert _waits(database) == 0


async def _result(call: Awaitable[object]) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"
