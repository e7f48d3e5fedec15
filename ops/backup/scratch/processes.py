"""Programs that run for the length of a block."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.errors import CommandFailed

START_SECONDS = 60.0
END_SECONDS = 10.0


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once something listens on the port. Raises CommandFailed if the program ends first."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise CommandFailed(f"{_name(process)} does not start on this machine: see its log")


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """End a program after the block, by force if it does not end."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _name(process: "subprocess.Popen[bytes]") -> str:
    command = process.args
    return str(command[0] if isinstance(command, list) else command)
