"""SQLite's one writer: whoever waits behind a queue that moves gets a turn, and nobody waits beyond their deadline."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from runtime.errors import Unavailable
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.schema import migrate
from tests.conformance.identity.conftest import SHORT
from tests.harness.waiting import taking
from trivet.client.deadline import within

PATIENT = replace(SHORT, pool_seconds=0.05, turn_seconds=5.0, attempt_seconds=5.0)


class Scene:
    """A database whose writer is at work until it is told to end."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.begun, self.end = asyncio.Event(), asyncio.Event()

    async def hold(self, transaction: Transaction) -> None:
        self.begun.set()
        await self.end.wait()

    async def write(self) -> str:
        async def work(transaction: Transaction) -> str:
            await transaction.execute(text("UPDATE users SET name = name"))
            return "written"

        return await self.database.transaction("tests.write", work)


async def run(folder: Path, limits: StoreLimits, seconds: float | None, wait: float) -> str:
    """Write behind somebody who goes on for `wait` seconds; the call has `seconds`."""
    url = f"sqlite:///{folder}/trivet.db"
    migrate.upgrade(url)
    async with Database.open(store_url.parse(url), limits) as database:
        scene = Scene(database)
        holding = asyncio.create_task(database.transaction("tests.hold", scene.hold))
        await scene.begun.wait()
        with within(seconds):
            writing = asyncio.create_task(scene.write())
        try:
            await asyncio.wait({writing}, timeout=wait)
            scene.end.set()
            return await writing
        finally:
            scene.end.set()
            await holding


async def test_a_writer_waits_for_its_turn_for_as_long_as_its_caller_does(tmp_path: Path) -> None:
    assert await run(tmp_path, PATIENT, seconds=4.0, wait=0.4) == "written"


async def test_nobody_waits_beyond_their_deadline(tmp_path: Path) -> None:
    with taking(0.15, 12), pytest.raises(Unavailable) as refused:  # the turn is free after thirty
        await run(tmp_path, PATIENT, seconds=0.2, wait=30.0)
    assert refused.value.reason == "STORE_BUSY"


async def test_without_a_deadline_the_wait_is_bounded_as_well(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        await run(tmp_path, replace(PATIENT, turn_seconds=0.2), seconds=None, wait=3.0)
    assert refused.value.reason == "STORE_BUSY"
