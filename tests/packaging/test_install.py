"""`make install`: it shows how far it is, and names what it fails at with the mend."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.exit_status import status_of
from tests.harness.child_processes import as_child
from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.stores.engines import other_user

ABSENT = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


def install(lock: Path, **extra: str) -> "subprocess.CompletedProcess[str]":
    """Run it as the Makefile does, into a folder beside the lock file."""
    own = {name: value for name, value in os.environ.items() if name not in ABSENT}
    own |= {"PIP_CONFIG_FILE": os.devnull, "PIP_TARGET": str(lock.parent / "target"), **extra}
    command = [sys.executable, "-I", str(ROOT / "ops/install.py"), str(lock)]
    return subprocess.run(command, env=own, capture_output=True, text=True, timeout=120)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file of twelve packages, whose wheels are in a folder beside it."""
    (tmp_path / "wheels").mkdir()
    lines = []
    for number in range(12):
        name = f"trivet_test_{number}"
        wheel = tmp_path / "wheels" / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(f"{name}.py", "")
            file.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            file.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            file.writestr(f"{name}-1.0.dist-info/RECORD", "")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"trivet-test-{number}==1.0 \\\n    --hash=sha256:{digest}\n")
    found = tmp_path / "lock.txt"
    found.write_text("".join(lines))
    return found


def test_it_shows_how_far_it_is(lock: Path) -> None:
    done = install(lock, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(lock.parent / "wheels"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == "trivet: 10 of 12 packages\ntrivet: unpacking packages\n"
    assert (lock.parent / "target/trivet_test_11.py").exists()


def test_without_a_network_the_index_is_named_at_once(lock: Path) -> None:
    """K1: and not the password that its address may hold."""
    refused = install(lock, PIP_INDEX_URL=f"http://me:hidden@127.0.0.1:{free_port()}/simple")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("trivet: the package index http://127.0.0.1:")
    assert "/simple cannot be reached (connection refused): check the network and the proxy" in refused.stderr
    assert "hidden" not in refused.stderr


def test_a_proxy_that_is_away_is_named(lock: Path) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    refused = install(lock, PIP_INDEX_URL="https://index.invalid/simple", https_proxy=proxy)
    assert refused.returncode == 1
    assert "https://index.invalid/simple cannot be reached (the proxy: connection refused)" in refused.stderr


@contextmanager
def hanging_up() -> Iterator[int]:
    """A server that accepts and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_an_index_that_breaks_off_is_named(lock: Path) -> None:
    with hanging_up() as port:
        refused = install(lock, PIP_INDEX_URL=f"http://127.0.0.1:{port}/simple")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"trivet: the package index http://127.0.0.1:{port}/simple does not answer: check")


def test_files_beside_an_index_that_is_away_are_taken(lock: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}/simple"
    done = install(lock, PIP_INDEX_URL=away, PIP_FIND_LINKS=str(lock.parent / "wheels"))
    assert done.returncode == 0, done.stderr
    assert f"{away} cannot be reached (connection refused): trying find-links alone" in done.stderr


def test_another_file_than_the_lock_names_is_said_so(lock: Path) -> None:
    wheel = lock.parent / "wheels/trivet_test_3-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as file:
        file.writestr("more.py", "")
    refused = install(lock, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheel.parent))
    assert refused.returncode == 1
    assert "has other files than the lock file" in refused.stderr


@pytest.fixture
def clone() -> Iterator[Path]:
    """What `make install` needs of a clone, where another user may look."""
    folder = Path(tempfile.mkdtemp(prefix="trivet-clone-"))
    try:
        for name in ("ops", "requirements"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Makefile", folder)
        folder.chmod(0o755)
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def make(clone: Path, user: str | None = None, **extra: str) -> "subprocess.CompletedProcess[str]":
    own = {"PATH": os.environ["PATH"], **extra}
    command = as_child(["make", "--no-print-directory", "install"], user=user)
    return subprocess.run(command, cwd=clone, env=own, capture_output=True, text=True, timeout=120)


def test_a_clone_that_cannot_be_written_is_named(clone: Path) -> None:
    user = other_user()
    if user is None:
        clone.chmod(0o555)
    refused = make(clone, user)
    assert refused.returncode != 0
    assert refused.stderr.startswith(f"trivet: {clone} cannot be written by ")
    assert "use a clone of your own" in refused.stderr
    assert "Errno" not in refused.stderr


def test_a_half_made_environment_does_not_stay(clone: Path) -> None:
    """Its Python is there and its pip is not: the next run would take it for whole."""
    python = clone / "python"
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\nmkdir -p "$3/bin" && touch "$3/bin/python"\n'
        "echo 'Error: [Errno 28] No space left on device' >&2\nexit 1\n"
    )
    python.chmod(0o755)
    refused = make(clone, PYTHON=str(python))
    assert refused.returncode != 0
    assert f"trivet: {clone}/.venv cannot be created: Error: [Errno 28] No space left on device" in refused.stderr
    assert "check the folder's owner and the free disk space" in refused.stderr
    assert not (clone / ".venv").exists()


def test_a_file_that_a_command_cannot_use_is_named_with_the_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "not there" / "x"

    def touch() -> None:
        missing.touch()

    assert status_of(touch) == 1
    assert capsys.readouterr().err == (
        f"trivet: {missing} cannot be used (no such file or directory): check its permissions and the free disk space\n"
    )
