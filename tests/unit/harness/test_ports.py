"""Ports that one process of the tests gives to its servers are no other's."""

import socket
import subprocess
import sys

from tests.harness.ports import BLOCK, END, FIRST, free_port
from tests.harness.processes import ROOT

ASK = "from tests.harness.ports import free_port; print(*(free_port() for _ in range(300)))"


def test_two_processes_are_given_different_ports() -> None:
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    theirs = {int(port) for port in asked.stdout.split()}
    ours = {free_port() for _ in range(300)}
    assert not theirs & ours
    assert all(FIRST < port < END for port in theirs | ours)


def test_a_port_comes_again_only_after_all_the_others() -> None:
    given = [free_port() for _ in range(BLOCK // 2)]
    assert len(set(given)) == len(given)


def test_a_port_that_something_listens_on_is_not_given() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        assert listener.getsockname()[1] not in {free_port() for _ in range(2 * BLOCK)}
