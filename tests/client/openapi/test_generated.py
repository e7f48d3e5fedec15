"""The description under a linter and three generators, and programs written against what these make."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from gateway.api.openapi.page import SCALAR

HERE = Path(__file__).parent
GENERATED = HERE / "generated"
LOCK = HERE.parents[2] / "requirements/generators.txt"
PYTHON = HERE / ".venv"
INSTALL_SECONDS = 300
SECONDS = 120
PROGRAM = """
from trivet_api import AuthenticatedClient, Client
from trivet_api.api.better_auth import auth_sign_up_email
from trivet_api.api.session_service import list_sessions
from trivet_api.models import AuthSignUp

import sys

client = Client(base_url=sys.argv[1])
body = AuthSignUp(name="Ann", email="python@generated.example.com", password="correct horse battery")
answer = auth_sign_up_email.sync_detailed(client=client, body=body)
assert answer.parsed.user.email == body.email, answer
signed_in = AuthenticatedClient(base_url=sys.argv[1], token=answer.headers["set-auth-token"])
found = list_sessions.sync(client=signed_in)
assert [each.user_id for each in found.sessions] == [answer.parsed.user.id], found
"""


@pytest.fixture(scope="module")
def tools() -> Path:
    """The programs of this folder's lock, installed if they are not."""
    assert shutil.which("node") is not None, "node is not on PATH: make test-client"
    lock = (HERE / "package-lock.json").read_text()
    if not is_installed(installed := HERE / "node_modules/.installed", lock):
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=HERE, check=True, timeout=INSTALL_SECONDS)
        installed.write_text(lock)
    return HERE / "node_modules/.bin"


@pytest.fixture(scope="module")
def python() -> Path:
    """The programs of requirements/generators.txt, in a virtual environment of their own."""
    lock = LOCK.read_text()
    if not is_installed(installed := PYTHON / ".installed", lock):
        subprocess.run([sys.executable, "-m", "venv", "--clear", PYTHON], check=True, timeout=SECONDS)
        pip = [str(PYTHON / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True, timeout=INSTALL_SECONDS)
        installed.write_text(lock)
    return PYTHON / "bin"


def is_installed(marker: Path, lock: str) -> bool:
    return marker.is_file() and marker.read_text() == lock


@pytest.fixture(scope="module")
def description(own_host: str) -> Path:
    """What a running gateway serves, in a folder for what is made of it."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    with urlopen(f"{own_host}/openapi.json") as answer:
        (GENERATED / "openapi.json").write_bytes(answer.read())
    return GENERATED / "openapi.json"


def ran(*command: str | Path, path: Path | None = None, cwd: Path = HERE) -> str:
    """Run a program to its end and return what it says; what it complains about fails the test."""
    first = f"{path}{os.pathsep}" if path else ""
    environment = {"PATH": first + os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def typed(tools: Path, description: Path) -> Path:
    """The types that openapi-typescript makes."""
    made = GENERATED / "api.d.ts"
    said = ran(tools / "openapi-typescript", description, "-o", made)
    assert not re.search("warn", said, re.IGNORECASE), said
    return made


@pytest.mark.timeout(600)  # the first has everything installed
def test_the_linter_finds_nothing(tools: Path, description: Path) -> None:
    """Every rule of spectral:oas, hints included."""
    ran(tools / "spectral", "lint", "--fail-severity=hint", "--ruleset", ".spectral.yaml", description)


def test_a_linter_would_find_something(tools: Path, description: Path, tmp_path: Path) -> None:
    worse = tmp_path / "openapi.json"
    worse.write_text(description.read_text().replace('"operationId":"getUser"', '"operationId":"listUsers"'))
    with pytest.raises(AssertionError, match="operation-operationId-unique"):
        ran(tools / "spectral", "lint", "--fail-severity=hint", "--ruleset", HERE / ".spectral.yaml", worse)


def test_a_program_type_checks_against_the_types_and_runs(tools: Path, typed: Path, own_host: str) -> None:
    """Under `strict`, and without a cast."""
    assert typed.is_file()
    program = (HERE / "program.ts").read_text()
    assert not re.findall(r"\bas\b(?! \w+ \w)|\bany\b|@ts-|<any>", re.sub(r"//.*|/\*.*?\*/|\"[^\"]*\"", "", program))
    ran(tools / "tsc", "--project", "tsconfig.json")
    said = ran("node", GENERATED / "built/program.js", own_host, f"ann.{os.getpid()}@generated.example.com")
    assert said.strip() == "all as described"


def test_the_types_refuse_what_is_not_described(tools: Path, typed: Path) -> None:
    wrong = HERE / "generated/wrong.ts"
    wrong.write_text(
        'import type { components } from "./api.d.ts";\n'
        'export const reason: components["schemas"]["GetUserReason"] = "NO_SUCH_REASON";\n'
        'export const role: components["schemas"]["Role"] = "ROLE_UNSPECIFIED";\n'
    )
    command = [str(tools / "tsc"), "--noEmit", "--strict", "--allowImportingTsExtensions", str(wrong)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=SECONDS)
    assert len(re.findall("error TS2322", done.stdout)) == 2, done.stdout


def test_orval_makes_a_client_that_type_checks(tools: Path, description: Path) -> None:
    said = ran(tools / "orval", "--config", "orval.config.mjs")
    assert description.with_name("orval.ts").is_file(), said
    assert not re.search("warn|error", said, re.IGNORECASE), said
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "ES2022", "--lib", "ES2022,DOM,DOM.Iterable"]
    ran(tools / "tsc", *options, GENERATED / "orval.ts")


@pytest.mark.timeout(600)
def test_openapi_python_client_makes_a_package_that_works(python: Path, description: Path, own_host: str) -> None:
    package = GENERATED / "trivet_api"
    options = ["--output-path", str(package), "--meta", "none", "--fail-on-warning"]
    ran(python / "openapi-python-client", "generate", "--path", description, *options, path=python)
    ran(python / "python", "-W", "error::SyntaxWarning", "-c", PROGRAM, own_host, cwd=GENERATED)


def test_the_pages_script_is_the_one_of_npms_package(tools: Path) -> None:
    """What is committed is untouched: `gzip -9n` of the file."""
    theirs = tools.parent / "@scalar/api-reference/dist/browser/standalone.js"
    assert gzip.decompress(SCALAR.read_bytes()) == theirs.read_bytes()
