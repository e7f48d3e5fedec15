"""One stack for all the tests that do it no harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.stack import Stack
from tests.harness.stack import stack as run_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A ready stack, shared: a test that stops or kills something starts its own."""
    with run_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return tmp_path / "data"
