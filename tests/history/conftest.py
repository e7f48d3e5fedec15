"""The house that runs share, mended after each, and houses of a test's own whose processes do without a protection."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Engines
from tests.history.house import House, house

OpenHouse = Callable[[str], AbstractAsyncContextManager[House]]
"""Runs a house with these failpoints armed."""


@pytest.fixture(scope="session")
def breakable(engine: Engines) -> None:
    """Skip where no Redis can be started that is ours to break."""
    if engine.get("redis").process is None:
        pytest.skip("TRIVET_TEST_REDIS_URL is a server that is not ours to break")


@pytest.fixture(scope="package")
async def shared(breakable: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("history")) as running:
        yield running


@pytest.fixture
async def running(shared: House) -> AsyncIterator[House]:
    """A house with every protection on."""
    yield shared
    await shared.heal()


@pytest.fixture(scope="package")
async def shared_with_two_caches(breakable: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("history"), has_two_caches=True) as running:
        yield running


@pytest.fixture
async def two_caches(shared_with_two_caches: House) -> AsyncIterator[House]:
    """A house in which each gateway has a cache process of its own, on one Redis."""
    yield shared_with_two_caches
    await shared_with_two_caches.heal()


@pytest.fixture
def open_house(breakable: None, tmp_path: Path) -> OpenHouse:
    return partial(house, tmp_path)
