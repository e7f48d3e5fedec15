"""`trivet status` beside a running stack."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx

from runtime.version import VERSION
from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.stack import Stack, environment, trivet
from tests.harness.stack import stack as another_stack

COMMAND = str(ROOT / "bin/trivet")


def _status(environ: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = trivet("status", "--json", environment=environ)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def test_every_process_and_store_is_shown_with_its_rates(stack: Stack) -> None:
    command = [COMMAND, "status", "--json"]
    with subprocess.Popen(command, env=stack.environment, stdout=subprocess.PIPE, text=True) as running:
        while running.poll() is None:  # load, while it measures
            httpx.get(f"{stack.url}/v1/users/me")
        assert running.stdout is not None
        answer = json.loads(running.stdout.read())
    assert running.returncode == 0
    processes, stores = _by_name(answer["processes"]), _by_name(answer["stores"])
    assert set(processes) == {"gateway", "identity", "notifications", "cache"}
    for row in processes.values():
        assert (row["state"], row["version"], row["problem"]) == ("up", VERSION, "")
        assert row["uptime_seconds"] > 0
        assert row["memory_bytes"] > 1e6
    gateway = processes["gateway"]
    assert gateway["requests_per_second"] > 1
    assert gateway["errors_per_second"] == 0
    assert 0 < gateway["p50_seconds"] <= gateway["p99_seconds"]
    assert {name: row["state"] for name, row in stores.items()} == {"sql": "up", "mongodb": "up", "redis": "up"}
    assert [stores[name]["engine"] for name in ("sql", "redis")] == ["SQLite", "Valkey"]
    assert stores["sql"]["connections"] > 0
    assert {"mail", "outbox mail.send", "password hashing", "request log of gateway"} <= set(_by_name(answer["queues"]))
    assert answer["backup"]["problem"] == "no backup is configured"


def test_the_last_backup_is_shown(stack: Stack, tmp_path: Path) -> None:
    kept = {**stack.environment, "TRIVET_BACKUP_TO": str(tmp_path / "backups")}
    made = trivet("backup", "create", environment=kept)
    assert made.returncode == 0, made.stderr
    backup = _status(kept)[1]["backup"]
    assert 0 < backup["age_seconds"] < 600
    assert backup["size_bytes"] > 1_000
    assert (backup["place"], backup["is_overdue"], backup["problem"]) == (kept["TRIVET_BACKUP_TO"], None, "")
    assert kept["TRIVET_BACKUP_TO"] in trivet("status", "--once", environment=kept).stdout


def test_a_process_that_is_gone_is_shown_with_what_to_do(tmp_path: Path) -> None:
    with another_stack(tmp_path / "data") as own:
        hung = own.children()["notifications"]
        os.kill(hung, signal.SIGSTOP)
        try:
            status, answer = _status(own.environment)
        finally:
            os.kill(hung, signal.SIGCONT)
    row = _by_name(answer["processes"])["notifications"]
    assert (status, row["state"]) == (1, "gone")
    assert "does not answer" in row["problem"]
    assert "trivet run" in row["remedy"]
    assert _by_name(answer["processes"])["identity"]["state"] == "up"


def test_processes_elsewhere_are_found_by_their_addresses(stack: Stack, tmp_path: Path) -> None:
    there = stack.addresses["identity metrics"].removeprefix("http://").removesuffix("/metrics")
    addresses = f"identity={there},cache=127.0.0.1:{free_port()}"
    status, answer = _status(environment(tmp_path, TRIVET_METRICS_ADDRESSES=addresses))
    assert status == 1
    states = {name: row["state"] for name, row in _by_name(answer["processes"]).items()}
    assert states == {"cache": "gone", "identity": "up"}


def test_without_a_stack_one_line_says_what_to_do(tmp_path: Path) -> None:
    done = trivet("status", environment=environment(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "TRIVET_METRICS_ADDRESSES" in done.stderr


def test_the_screen_is_live_until_it_is_interrupted(stack: Stack) -> None:
    ours, theirs = pty.openpty()
    terminal = {**stack.environment, "TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
    running = subprocess.Popen(
        [COMMAND, "status", "--every", "0.5"], env=terminal, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while seen.count(b"LAST BACKUP") < 2:  # it was drawn again
            seen += os.read(ours, 65_536)
        assert b"notifications" in seen
        running.send_signal(signal.SIGINT)
        while True:
            try:
                if not os.read(ours, 65_536):
                    break
            except OSError:  # the other side is closed
                break
        assert running.wait(20) == 0
    finally:
        running.kill()
        running.wait()
        os.close(ours)
