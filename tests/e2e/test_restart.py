"""A part that dies is started again, with back-off, and says so."""

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.harness.stack import NAMES, Stack
from tests.harness.stack import stack as run_stack
from tests.harness.waiting import eventually


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose parts these tests kill, one after the other."""
    with run_stack(tmp_path_factory.mktemp("mortal") / "data") as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_a_part_that_is_killed_comes_back_and_no_other_part_restarts_for_it(mortal: Stack, name: str) -> None:
    """R30, R36: and the whole is healthy again by itself."""
    before = mortal.children()
    mark = len(mortal.output)
    os.kill(before[name], signal.SIGKILL)
    mark = mortal.wait_for(rf"^  {name} +was ended by SIGKILL.*, starting again in \d", after=mark)
    mortal.wait_for(rf"^  {name} +ready after \d+ ms", after=mark)
    eventually(lambda: httpx.get(f"{mortal.url}/readyz", timeout=5).status_code == 200, seconds=20)
    after = mortal.children()
    assert {part for part in NAMES if before[part] != after[part]} == {name}
