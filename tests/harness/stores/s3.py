"""An S3-compatible server for tests: moto's, which keeps all in memory."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.backup.scratch.processes import ended, wait_for_port
from tests.harness.ports import free_port

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "a-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the address of a running server, HOST:PORT."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(process):
        wait_for_port(port, process)
        yield f"127.0.0.1:{port}"


def variables(address: str) -> Mapping[str, str]:
    """Return the environment in which boto3 reaches the server."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://{address}"}
