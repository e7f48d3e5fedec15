"""What `trivet run` becomes: a program that keeps the stack, and holds nothing of what only decided upon it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
DECIDING = "from ops.stack.environment import PROCESSES, settings_of; [settings_of(name) for name in PROCESSES]"
FOLLOWED = """
import os, signal, sys
from pathlib import Path
from ops.stack.stack_plan import StackPlan, follow
from ops.stack.running import Running

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
os.kill(os.getpid(), signal.SIGINT)  # it comes while this program makes way for the other
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
running = Running("an-id", "http://127.0.0.1:1", {})
follow(StackPlan([[], [], []], running, Path(sys.argv[1]).parent, [], lock, 0.0))
"""


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def loaded(code: str) -> set[str]:
    """Return the packages that are loaded once some code has run."""
    done = run(f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_what_keeps_the_stack_has_loaded_nothing_of_what_decides() -> None:
    needless = {"sqlalchemy", "alembic", "redis", "pymongo", "httpx", "cryptography", "pydantic", "typer", "services"}
    assert not needless & loaded("import ops.stack.__main__")
    assert {"sqlalchemy", "redis", "pymongo", "pydantic", "services"} <= loaded(DECIDING)


@pytest.mark.parametrize("module", ["ops.cli", "ops.stack.run"])
def test_the_command_loads_no_database_before_a_subcommand_asks_for_it(module: str) -> None:
    assert not {"sqlalchemy", "alembic", "pymongo", "redis"} & loaded(f"import {module}")


def test_identity_loads_nothing_of_what_migrates_or_asks_stripe_and_providers() -> None:
    found = loaded("import services.identity.__main__")
    assert "sqlalchemy" in found
    assert not {"alembic", "mako", "stripe", "requests", "httpx", "rich"} & found
    assert "alembic" in loaded("import services.identity.store.schema.migrate")


def test_a_stop_that_comes_while_it_becomes_the_other_program_is_heard(tmp_path: Path) -> None:
    done = run(FOLLOWED, str(tmp_path / "lock"))
    assert (done.returncode, done.stderr) == (130, "trivet: interrupted\n")
