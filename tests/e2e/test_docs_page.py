"""The documentation page in a real browser, without a network beyond this machine."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness.stack import Stack
from tests.harness.stores.engines import MissingEngineError, find

# What keeps a headless browser from calling its maker's hosts; as root it cannot have a sandbox.
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def dom_of(url: str, profile: Path) -> str:
    """Return the page's elements once its scripts have run."""
    try:
        browser = find("chromium")
    except MissingEngineError as error:
        if os.environ.get("TRIVET_TEST_REQUIRE") == "all":
            pytest.fail(str(error))
        pytest.skip(str(error))
    command = [browser, *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_page_shows_the_description_in_a_browser(stack: Stack, tmp_path: Path) -> None:
    """What it can do is tried by `make test-client`, which can press buttons."""
    shown = dom_of(f"{stack.url}/docs", tmp_path)
    for name in ("Better Auth", "Sign in with an email address and a password", "NotificationService", "Gateway"):
        assert name in shown
