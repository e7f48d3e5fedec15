"""The images: built by buildah from Debian's own packages, and run for real, one container for each process.

The base of deploy/Dockerfile comes from a registry of images. Here debootstrap makes one of the same kind instead.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ops.keys.pair_keys import accept_keys
from ops.stack.environment import PROCESSES
from tests.conftest import Engines
from tests.harness.child_processes import as_child
from tests.harness.ports import free_port
from tests.harness.processes import ROOT, SECRET, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
TOOLS = ("buildah", "debootstrap")
BASE = (ROOT / "deploy/Dockerfile").read_text().split("FROM ")[1].split()[0]
PACKAGES = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
START_SECONDS = 60.0
PIP = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy")
"""Where this machine's pip finds packages."""


class Buildah:
    """Buildah with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self._options = ("--root", str(folder / "store"), "--runroot", str(folder / "run"))
        self._folder = folder

    def __call__(self, *arguments: str, timeout: float = 900) -> str:
        done = subprocess.run(
            ["buildah", *self._options, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"buildah {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def command(self, container: str, *command: str, **variables: str) -> list[str]:
        """Return the command line that runs a program in a container, on this machine's network."""
        given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        return ["buildah", *self._options, "run", "--isolation", "chroot", *given, container, "--", *command]

    def make_base(self) -> None:
        """Make the image that the Dockerfile begins with, under another name."""
        root, packed = self._folder / "base", self._folder / "base.tar"
        debootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "stable", str(root)]
        made = subprocess.run(debootstrap, capture_output=True, text=True, timeout=900)
        if made.returncode:
            pytest.skip(f"debootstrap cannot make a base here: {made.stdout[-300:]}")
        subprocess.run(["tar", "-C", str(root), "-cf", str(packed), "."], check=True)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(packed), "/")
        self("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        self("commit", "--quiet", "--rm", container, "localhost/trivet-base")

    def build(self, target: str) -> str:
        """Build one target of the Dockerfile and return the name of a container of it."""
        folders = [os.environ.get("PIP_FIND_LINKS", ""), "/etc/ssl/certs"]
        shown = [word for each in folders if Path(each).is_dir() for word in ("--volume", f"{each}:{each}:ro")]
        given = [word for name in PIP if name in os.environ for word in ("--env", f"{name}={os.environ[name]}")]
        self(
            *("bud", "--isolation", "chroot", "--layers", "--pull=never", "--format", "docker"),
            *("--build-context", f"{BASE}=container-image://localhost/trivet-base", *shown, *given),
            *("--target", target, "-f", "deploy/Dockerfile", "-t", f"localhost/{target}", "."),
        )
        return self("from", "--pull-never", f"localhost/{target}")

    def run(self, container: str, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(container, *command, **variables), capture_output=True, text=True, timeout=120
        )


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"images are built by root with {' and '.join(TOOLS)}; missing: {', '.join(missing) or 'root'}")
    folder = tmp_path_factory.mktemp("images")
    made = Buildah(folder)
    try:
        made.make_base()
        yield made
    finally:
        with contextlib.suppress(AssertionError):
            made("rm", "--all")
            made("rmi", "--all", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(buildah: Buildah, name: str, container: str, log: Path, **stores: str) -> Iterator[dict[str, str]]:
    """Run the image's own command with the settings of a process; yield its environment."""
    port = free_port()
    given = environment(name, port, TRIVET_HOST="127.0.0.1", TRIVET_METRICS_PORT="0", **stores)
    own = {key: value for key, value in given.items() if key.startswith("TRIVET_") or key in stores}
    command = ("python", "-m", "gateway" if name == "gateway" else f"services.{name}")
    with log.open("wb") as output:
        popen = subprocess.Popen(
            as_child(buildah.command(container, *command, **own)), stdout=output, stderr=output, cwd=ROOT
        )
    try:
        yield own
    finally:
        popen.terminate()
        popen.wait(30)


def wait_until_healthy(buildah: Buildah, container: str, own: dict[str, str], log: Path) -> None:
    """Run the image's health check until it passes."""
    deadline = time.monotonic() + START_SECONDS
    while (checked := buildah.run(container, *HEALTHCHECK, **own)).returncode != 0:
        assert time.monotonic() < deadline, checked.stderr + log.read_text(errors="replace")[-3000:]


HEALTHCHECK: Sequence[str] = ("python", "/trivet/healthcheck.py")


def test_every_image_runs_its_process_as_a_user_without_rights(
    buildah: Buildah, engine: Engines, tmp_path: Path
) -> None:
    """All five targets are built; the processes run together, each healthy by the health check of its image."""
    command = buildah.build("trivet")
    helped = buildah.run(command, "trivet", "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "Commands:" in helped.stdout
    assert buildah.run(command, "mariadb-dump", "--version").returncode == 0
    assert buildah.run(command, "pg_dump", "--version").returncode == 0
    made = buildah.run(command, "python", "-m", "ops", "keys", "--for", "cache", TRIVET_SECRET=SECRET)
    assert made.stdout.splitlines()[0] == f"TRIVET_ACCEPT_KEYS={accept_keys(SECRET, 'cache', ('ops',))}"
    sql = engine.get("postgresql").url
    migrated = buildah.run(command, "trivet", "db", "migrate", DATABASE_URL=sql, TRIVET_SECRET=SECRET)
    assert migrated.returncode == 0, migrated.stderr
    stores = {
        "identity": {"DATABASE_URL": sql},
        "notifications": {"MONGODB_URI": engine.get("secantusdb").url},
        "cache": {"REDIS_URL": engine.get("valkey").url},
        "gateway": {},
    }
    addresses: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name in sorted(PROCESSES, key=("cache", "identity", "notifications", "gateway").index):
            container, log = buildah.build(name), tmp_path / f"{name}.log"
            assert buildah.run(container, "id", "-u").stdout == "10001\n"
            assert buildah.run(container, "touch", "/trivet/x").returncode != 0
            unhealthy = buildah.run(container, *HEALTHCHECK)
            assert unhealthy.returncode == 1, "nothing runs yet"
            assert unhealthy.stderr.startswith("healthcheck: ")
            own = stack.enter_context(running(buildah, name, container, log, **stores[name], **addresses))
            wait_until_healthy(buildah, container, own, log)
            if name != "gateway":
                addresses[f"TRIVET_{name.upper()}_ADDRESS"] = f"127.0.0.1:{own[f'TRIVET_{name.upper()}_PORT']}"
            assert compiled_later(buildah, container) == "", "bytecode was written at run time"


def compiled_later(buildah: Buildah, container: str) -> str:
    """Return the modules of ours that have no bytecode: each start would compile them. A script has none."""
    program = (
        "import pathlib;print(*[p for p in pathlib.Path('/trivet').rglob('*.py') "
        "if p.name not in ('healthcheck.py', '__init__.py') "
        "and not list((p.parent / '__pycache__').glob(p.stem + '.*.pyc'))], end='')"
    )
    looked = buildah.run(container, "python", "-c", program)
    assert looked.returncode == 0, looked.stderr
    return looked.stdout
