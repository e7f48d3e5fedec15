"""Work that outlives its call: bounded, counted, and out of reach of the caller's cancel and deadline."""

import asyncio
import logging

import pytest

from runtime.background.tasks import Tasks, TooManyTasksError, dropped, failed
from runtime.rpc.interceptor_chain import Context
from tests.harness.rpc import served
from trivet.client import remaining, within
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest


async def test_the_bound_refuses_counts_and_lets_in_again() -> None:
    tasks, release = Tasks("bounded", limit=2), asyncio.Event()
    first, _ = tasks.start(release.wait()), tasks.start(release.wait())
    with pytest.raises(TooManyTasksError):
        tasks.start(release.wait())
    assert (len(tasks), dropped.labels("bounded")._value.get()) == (2, 1)
    release.set()
    assert await first
    await tasks.drain(1)
    assert len(tasks) == 0
    assert await tasks.start(release.wait())


async def commit_then_invalidate(tasks: Tasks | None) -> bool:
    """Run a call that commits and then invalidates, cancelled in between; return whether it invalidated."""
    committed, cancelled, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def invalidate() -> None:
        await go_on.wait()
        done.set()

    async def answer(request: GetUserRequest, context: Context) -> User:
        committed.set()
        try:
            await (invalidate() if tasks is None else asyncio.shield(tasks.start(invalidate())))
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return User()

    async with served(answer) as running:
        call = running.stub.GetUser(GetUserRequest(user_id="user1"))
        await committed.wait()
        call.cancel()
        await asyncio.wait_for(cancelled.wait(), 2)
        go_on.set()
        if tasks is not None:
            await tasks.drain(1)
    return done.is_set()


async def test_what_follows_a_commit_is_done_though_the_caller_has_left() -> None:
    """R6."""
    assert await commit_then_invalidate(Tasks("after"))


async def test_in_the_calls_own_task_it_would_be_skipped() -> None:
    """R6 with the protection off: a cancelled call skips the invalidation."""
    assert not await commit_then_invalidate(None)


async def test_the_deadline_of_the_call_is_not_inherited() -> None:
    async def left() -> float:
        return remaining(60)

    with within(0.01):
        assert await Tasks("patient").start(left()) == 60
        assert await left() < 0.01


async def test_a_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise RuntimeError("boom")

    tasks = Tasks("failing")
    tasks.start(fails())
    await tasks.drain(1)
    await asyncio.sleep(0)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "background work failed: failing")
    ]


async def test_one_failure_of_many_tasks_is_logged_once_and_each_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(why: str) -> None:
        raise RuntimeError(why)

    tasks = Tasks("flooded")
    for why in ("boom", "boom", "boom", "bang"):
        tasks.start(fails(why))
    await tasks.drain(1)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["boom", "bang"]
    assert failed.labels("flooded")._value.get() == 4


async def test_what_a_task_begins_at_the_end_is_waited_for_too() -> None:
    done = []
    async with Tasks.draining("chained", 5) as tasks:

        async def second() -> None:
            await asyncio.sleep(0)
            done.append("second")

        async def first() -> None:
            await asyncio.sleep(0)
            tasks.start(second())

        tasks.start(first())
    assert done == ["second"]


async def test_draining_waits_for_a_while_and_then_cancels() -> None:
    tasks = Tasks("stuck")
    stuck = tasks.start(asyncio.Event().wait())
    await tasks.drain(0.01)
    assert stuck.cancelled()
    assert len(tasks) == 0
