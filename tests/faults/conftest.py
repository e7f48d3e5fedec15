"""Servers that a test may break."""

from collections.abc import Iterator

import pytest

from tests.conftest import Engines
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine


@pytest.fixture
def redis_server(engine: Engines) -> Iterator[Engine]:
    if engine.get("redis").process is None:
        pytest.skip("TRIVET_TEST_REDIS_URL is a server that is not ours to break")
    with engines.redis() as server:
        yield server
