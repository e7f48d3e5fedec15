"""Servers of tests end with the process that started them, however that ends."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness import child_processes
from tests.harness.child_processes import NoSetprivError, as_child, find_setpriv, start
from tests.harness.processes import ROOT
from tests.harness.stack import is_running
from tests.harness.stores.engines import other_user
from tests.harness.waiting import eventually

needs_setpriv = pytest.mark.skipif(find_setpriv() is None, reason="setpriv of util-linux is missing")
PATHS = {"PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
START = "import subprocess as s, sys; from tests.harness.child_processes import as_child; "
SLEEP = "['sleep', '600']"
AS_CHILD = f"as_child({SLEEP}, user=sys.argv[1] or None)"
PYTEST = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts jobs in the background with SIGINT ignored
sys.exit(pytest.main(sys.argv[1:]))
"""
SUITE = """
import contextlib, os, time
from pathlib import Path

def test_it_stays(engine):
    (Path(__file__).parent / f"{os.getpid()}.engine").write_text(str(engine.get("valkey").process.pid))
    while True:
        with contextlib.suppress(BaseException):  # as a call that is busy in C
            time.sleep(600)
"""


def started_by_a_program(command: str, user: str = "") -> tuple["subprocess.Popen[str]", int]:
    """Run a program that starts `command` and waits for it; return the program and the pid of what it started."""
    program = f"{START}started = s.Popen({command}, stdout=s.DEVNULL); print(started.pid, flush=True); started.wait()"
    running = subprocess.Popen(
        [sys.executable, "-c", program, user], cwd=ROOT, env=os.environ | PATHS, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    server = int(running.stdout.readline())
    wait_until_asleep(server)
    return running, server


def wait_until_asleep(pid: int) -> None:
    """Wait until setpriv has become the program: before, the kernel does not know what to end."""
    eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", seconds=10)


def kill(running: "subprocess.Popen[str]", signum: signal.Signals) -> str:
    """Send the signal, wait until the program has ended, and return what it printed."""
    running.send_signal(signum)
    return running.communicate(timeout=60)[0]


@needs_setpriv
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("user", ["", other_user() or ""], ids=["same user", "other user"])
def test_a_server_ends_with_the_process_that_started_it(user: str, signum: signal.Signals) -> None:
    running, server = started_by_a_program(AS_CHILD, user)
    assert is_running(server)
    kill(running, signum)
    eventually(lambda: not is_running(server), seconds=10)


def test_a_server_that_is_started_plainly_stays() -> None:
    """With the protection off."""
    running, server = started_by_a_program(SLEEP)
    try:
        kill(running, signal.SIGKILL)
        assert is_running(server)
    finally:
        os.kill(server, signal.SIGKILL)


@needs_setpriv
def test_a_server_outlives_the_thread_that_asked_for_it() -> None:
    """With the protection off, a program that the thread itself started ends with it."""
    with ThreadPoolExecutor(1) as threads:
        server = threads.submit(start, ["sleep", "600"]).result()
        unprotected = threads.submit(subprocess.Popen, as_child(["sleep", "600"])).result()
        wait_until_asleep(server.pid)
        wait_until_asleep(unprotected.pid)
    try:
        assert unprotected.wait(10) == -signal.SIGTERM
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()


def test_without_setpriv_a_program_starts_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS; a change of the user needs setpriv."""
    monkeypatch.setattr(child_processes, "find_setpriv", lambda: None)
    assert as_child(["sleep", Path("600")]) == ["sleep", "600"]
    assert start(["true"]).wait(10) == 0
    with pytest.raises(NoSetprivError, match="install util-linux"):
        as_child(["true"], user="nobody")


@needs_setpriv
@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_engines_end_with_a_parallel_run_that_is_interrupted(signum: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM of the first process while its workers hang: these are killed without a teardown."""
    for number in (1, 2):
        (tmp_path / f"test_{number}.py").write_text(SUITE)
    options = ["-q", "-n", "2", "-p", "tests.conftest", "-p", "no:cacheprovider", "--import-mode=importlib"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TRIVET_TEST", "PYTEST"))}
    run = subprocess.Popen(
        [sys.executable, "-c", PYTEST, *options, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env=own | PATHS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        text=True,
    )
    notes = tmp_path.glob
    try:
        eventually(lambda: [note.read_text() != "" for note in notes("*.engine")] == [True, True], seconds=60)
        engines = [int(note.read_text()) for note in notes("*.engine")]
        assert all(map(is_running, engines))
        assert "Traceback" not in kill(run, signum)
        eventually(lambda: not any(map(is_running, engines)), seconds=60)
    finally:
        run.kill()
