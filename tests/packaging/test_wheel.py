"""The wheel `trivet`: typed stubs and a client, and nothing of the servers."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.packaging.venv import distributions, python_of, uv

SERVER_LIBRARIES = {
    *("aiosqlite", "alembic", "argon2-cffi", "asyncmy", "asyncpg", "granian", "grpcio-health-checking"),
    *("grpcio-reflection", "hiredis", "msgspec", "opentelemetry-sdk", "prometheus-client", "psycopg", "pydantic"),
    *("pymongo", "pymysql", "redis", "sqlalchemy", "starlette", "typer"),
}
SNIPPET = """
import asyncio

from trivet.client import Signer, connect, reason_of
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub


async def find(user_id: str) -> str:
    async with connect("127.0.0.1:1", "identity", Signer("billing", {"identity": b"k" * 32})) as channel:
        user: User = await UserServiceStub(channel).GetUser(GetUserRequest(user_id=user_id))
    return user.email
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("trivet-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty venv where the wheel is installed, with the locked versions of what it needs."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    uv("venv", "--python", sys.executable, str(folder))
    interpreter = python_of(folder)
    uv("pip", "install", "--python", str(interpreter), "-c", str(ROOT / "requirements/dev.txt"), str(wheel))
    return interpreter


def test_the_wheel_holds_trivet_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"trivet"}
    assert "trivet/py.typed" in names
    assert "trivet/identity/v1/user_service_pb2.pyi" in names
    assert {"trivet/identity/v1/user_service.proto", "trivet/cache/v1/cached.proto"} <= set(names)


def test_it_brings_no_server_library(python: Path) -> None:
    installed = distributions(python)
    assert installed.keys() & SERVER_LIBRARIES == set()
    assert {"trivet", "grpcio", "protobuf", "opentelemetry-api", "googleapis-common-protos"} <= installed.keys()


def test_its_stubs_and_client_import_where_nothing_else_is_installed(python: Path, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(SNIPPET)
    ran = subprocess.run([python, "-I", str(tmp_path / "snippet.py")], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_every_stub_imports_there(wheel: Path, python: Path, tmp_path: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    ran = subprocess.run(
        [python, "-I", "-c", f"import {', '.join(modules)}"], capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(("old", "new", "right"), [("", "", True), ("user.email", "user.e_mail", False)])
def test_code_against_it_is_checked_strictly(python: Path, tmp_path: Path, old: str, new: str, right: bool) -> None:
    """mypy --strict sees the types of requests, answers and channels; a wrong field name is found."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET.replace(old, new) if old else SNIPPET)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", str(python)]
    # The types of grpc itself come from types-grpcio, which a user of the wheel installs beside mypy.
    checked = subprocess.run(
        [*mypy, "--disable-error-code=import-untyped", str(snippet)], capture_output=True, text=True, cwd=tmp_path
    )
    assert (checked.returncode == 0) == right, checked.stdout
