"""The provider of the tests' own, for what is tried without our processes."""

from collections.abc import Iterator

import pytest

from tests.oauth.provider import Provider, running_provider


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider
