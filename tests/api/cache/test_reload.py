"""SIGHUP to a service: it goes on serving, with the log level of TRIVET_SETTINGS_FILE."""

import signal
from pathlib import Path
from typing import Any

from tests.conftest import Engines
from tests.harness.processes import process
from tests.harness.waiting import eventually


def test_a_service_reloads_its_log_level_and_names_what_needs_a_restart(engine: Engines, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("")
    given: dict[str, Any] = {"REDIS_URL": engine.get("valkey").url, "TRIVET_SETTINGS_FILE": str(file)}
    with process("cache", **given) as running:
        file.write_text("TRIVET_LOG_LEVEL=WARNING\nTRIVET_CACHE_PREFIX=other:\n")
        running.signal(signal.SIGHUP)
        named = "changed settings that need a restart: TRIVET_CACHE_PREFIX"
        eventually(lambda: named in running.output(), seconds=20)
        file.write_text("TRIVET_LOG_LEVEL\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: "is not NAME=VALUE" in running.output(), seconds=20)
        file.write_text("TRIVET_LOG_LEVEL=INFO\n")
        running.signal(signal.SIGHUP)
        eventually(lambda: "settings reloaded: TRIVET_LOG_LEVEL" in running.output(), seconds=20)
        assert running.output().count("settings reloaded") == 1, "the first was at WARNING"
        assert running.popen.poll() is None


def test_a_settings_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with process("cache", wait=False, TRIVET_SETTINGS_FILE=str(tmp_path / "nowhere")) as running:
        assert running.popen.wait(30) == 2
        assert "TRIVET_SETTINGS_FILE" in running.output()
