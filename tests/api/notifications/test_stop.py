"""What notifications has begun is finished before it ends: its channel and its store close after what uses them."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import grpc

from tests.api.notifications.conftest import Api
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.near.lease import METADATA_KEY, format_lease
from trivet.notifications.v1 import notification_service_pb2 as pb


async def test_a_change_under_way_at_the_end_still_reaches_the_cache(
    cache: Process, mongodb_url: str, reader: CacheServiceStub, user: str, tmp_path: Path
) -> None:
    """SIGTERM comes between the write and the invalidation, and the call has no grace."""
    gate = tmp_path / "gate"
    failpoint = f"notifications.after_write=pause:{gate}"
    settings: dict[str, Any] = {"MONGODB_URI": mongodb_url, "TRIVET_CACHE_ADDRESS": cache.address}
    lookup = GetRequest(namespace="unread", key=user)
    with process("notifications", TRIVET_GRACE_SECONDS="15", TRIVET_FAILPOINTS=failpoint, **settings) as running:
        async with client(running) as channel:
            miss = (await reader.Get(lookup)).lookup
            lease = ((METADATA_KEY, format_lease(miss.position)),)
            await Api(channel).notifications.CountUnread(pb.CountUnreadRequest(user_id=user), metadata=lease)
            await until(lambda: _is_held(reader, lookup))
            call = asyncio.create_task(_created(channel, user))
            await until((tmp_path / "gate.reached").exists)
            call.cancel()
            running.signal(signal.SIGTERM)
            await until(lambda: _refuses(channel), 10)
            assert running.popen.poll() is None, "it waits for what the call began"
            gate.touch()
        assert await asyncio.to_thread(running.popen.wait, 10) == 0
        assert "background work failed" not in running.output()
    assert not await _is_held(reader, lookup)


async def _is_held(reader: CacheServiceStub, lookup: GetRequest) -> bool:
    return (await reader.Get(lookup)).lookup.found


async def _created(channel: grpc.aio.Channel, user: str) -> None:
    await Api(channel).create(user)  # type: ignore[arg-type]  # a channel of ours


async def _refuses(channel: grpc.aio.Channel) -> bool:
    try:
        await Api(channel).notifications.CountUnread(pb.CountUnreadRequest(user_id="x"), timeout=0.5)  # type: ignore[arg-type]  # a channel of ours
    except grpc.aio.AioRpcError:
        return True
    return False
