"""What the supervisor of several workers survives; tests/api/gateway/server/test_workers.py runs them for real."""

import asyncio
import sys

import pytest
from pydantic import SecretStr

from gateway.server.supervisor import Worker
from gateway.server.worker_link import Startup
from gateway.settings import GatewaySettings
from tests.harness.waiting import until

SETTINGS = GatewaySettings(secret=SecretStr("a secret that signs nothing here"))


async def test_a_worker_that_the_system_does_not_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No memory, say: the place of a worker is not lost for good, and the supervisor can still end."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    worker = Worker(0, SETTINGS, 0, Startup(1))
    running = asyncio.create_task(worker.run())
    await until(lambda: sum("could not be started, starting again" in record.message for record in caplog.records) >= 2)
    assert "No such file or directory" in caplog.text
    worker.stop()
    await asyncio.wait_for(running, 15)
    assert worker.gone.is_set()
