"""A run of the tests says which engines it ran on, which it could not find, and how long each suite took."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stores.mysql_like import mysqld

ONE_TEST = "tests/conformance/cache/counters/test_counters.py::test_a_counter_starts_at_zero_and_is_exact_to_64_bits"


def run_where_redis_is_missing(*options: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    """Run a test that wants Redis and Valkey where there is nothing on PATH; Valkey comes from a package."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TRIVET_TEST", "PYTEST"))}
    own |= {"PATH": str(Path(__file__).parent), **extra}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, ONE_TEST]
    return subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=110)


def test_the_report_names_each_engine_that_ran_and_each_that_was_missing() -> None:
    """2.9."""
    ran = run_where_redis_is_missing()
    assert ran.returncode == 0, ran.stdout
    assert "\nredis        missing: redis-server is not on this machine\n" in ran.stdout
    assert "\nvalkey       ran\n" in ran.stdout
    assert "\nmariadb      not asked for\n" in ran.stdout
    assert len(re.findall(r"^tests/conformance/cache +[0-9.]+ s  1 passed, 1 skipped$", ran.stdout, re.MULTILINE)) == 2
    assert "\n1 passed, 1 skipped in " in ran.stdout


def test_a_missing_engine_is_a_failure_where_all_are_required() -> None:
    """2.9, with two workers: the first process reports for both."""
    ran = run_where_redis_is_missing("-n", "2", TRIVET_TEST_REQUIRE="all")
    assert ran.returncode == 1, ran.stdout
    assert "\nredis        missing: redis-server is not on this machine\n" in ran.stdout
    assert "\nvalkey       ran\n" in ran.stdout
    assert f"\nerror: {ONE_TEST}[redis]\n" in ran.stdout
    assert len(re.findall(r"^tests/conformance/cache +[0-9.]+ s  1 error, 1 passed$", ran.stdout, re.MULTILINE)) == 2
    assert "\n1 passed, 1 error in " in ran.stdout


def test_an_engine_that_is_left_out_is_not_missing() -> None:
    ran = run_where_redis_is_missing("--engines", "valkey", TRIVET_TEST_REQUIRE="all")
    assert ran.returncode == 0, ran.stdout
    assert "\nredis        not asked for\n" in ran.stdout
    assert "\n1 passed, 1 deselected in " in ran.stdout


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("mysqld  Ver 9.7.4-2 for Linux", True), ("mysqld  Ver 10.11.19-MariaDB-0+deb12u1", False)],
)
def test_only_a_mysqld_of_mysqls_is_taken_for_mysql(
    version: str, is_taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "mysqld"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert mysqld.__wrapped__() == (str(program) if is_taken else None)
