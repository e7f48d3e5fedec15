"""The unmodified client's `useSession` in a real Chromium, on a page of another origin."""

import os
from pathlib import Path

from tests.client.conftest import run
from tests.harness.stores.engines import find


def test_tabs_of_another_origin_follow_the_session(node: str, gateway: str, page: str, tmp_path: Path) -> None:
    """Signed up, seen by a second tab, renamed, signed out in one, signed in in the other, ended from elsewhere."""
    shown = Path(os.environ.get("TRIVET_TEST_SCREENSHOT", tmp_path / "page.png"))
    run(node, "browser/use_session.mjs", gateway, page, find("chromium"), str(tmp_path / "profile"), str(shown))
    assert shown.stat().st_size > 0
