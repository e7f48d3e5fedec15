"""The page of the API description in a real Chromium."""

import os
from pathlib import Path

import pytest

from tests.client.conftest import run
from tests.harness.stores.engines import find


@pytest.mark.timeout(300)
def test_the_page_is_searched_linked_tried_and_read_on_a_phone(node: str, own_host: str, tmp_path: Path) -> None:
    """Its strict policy holds all the while, and no other host is asked."""
    folder = Path(os.environ.get("TRIVET_TEST_SCREENSHOTS", tmp_path))
    desktop, phone = folder / "docs.png", folder / "docs-phone.png"
    places = (str(tmp_path / "profile"), str(desktop), str(phone))
    run(node, "browser/docs_page.mjs", own_host, find("chromium"), *places, seconds=200)
    assert desktop.stat().st_size > 0
    assert phone.stat().st_size > 0
