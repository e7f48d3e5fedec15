"""How many connections the gateway allows itself."""

import subprocess
import sys

import pytest

from tests.harness.processes import ROOT

PROGRAM = """
import resource
hard = min(int({hard}), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, hard))
from gateway.server.rlimit import most_connections
print(most_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def allowed(soft: int, hard: int) -> tuple[int, int]:
    """Return the connections that a process with these limits allows, and its soft limit afterwards."""
    program = PROGRAM.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    connections, limit = done.stdout.split()
    return int(connections), int(limit)


@pytest.mark.parametrize(("soft", "hard", "connections"), [(200, 4_096, 3_840), (1_024, 1_024, 768), (200, 256, 64)])
def test_the_soft_limit_is_raised_and_the_rest_is_left_for_files(soft: int, hard: int, connections: int) -> None:
    """H1: the usual soft limit of 1,024 is not what bounds connections."""
    assert allowed(soft, hard) == (connections, hard)


def test_no_more_is_taken_than_is_needed() -> None:
    connections, limit = allowed(256, 1_000_000)
    assert connections <= 20_000
    assert limit <= 20_256
