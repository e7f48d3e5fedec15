"""What holds for every test that speaks to a gateway: its answers are as its API description says."""

from collections.abc import Iterator

import pytest

from tests.harness.described import Description, described, every_answer_is_described


@pytest.fixture(scope="session")
def description() -> Description:
    return Description(described())


@pytest.fixture(autouse=True)
def _answers_are_described(description: Description, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with every_answer_is_described(monkeypatch, description):
        yield
