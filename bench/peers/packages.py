"""Installs the peers into bench/.work, once: packages of npm and PyPI, and a Go program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).parent / "programs"
WORK = Path(__file__).parents[1] / ".work"
NODE = WORK / "peer"
PYTHON = WORK / "python"
LOCK = Path(__file__).parents[2] / "requirements" / "peers.txt"
GO = WORK / "go"
INSTALL_SECONDS = 300
BUILD_SECONDS = 1_800
KRATOS = "github.com/ory/kratos"
KRATOS_VERSION = "v1.3.1"
GO_MODULE = f"""module peer

go 1.23

require {KRATOS} {KRATOS_VERSION}

replace (
	github.com/go-swagger/go-swagger => github.com/aeneasr/go-swagger v0.19.1-0.20241013070044-bccef3a12e26
	github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.0
	github.com/gorilla/sessions => github.com/ory/sessions v1.2.2-0.20220110165800-b09c17334dc2
	github.com/mattn/go-sqlite3 => github.com/mattn/go-sqlite3 v1.14.22
)
"""
"""`go install` refuses Kratos, whose go.mod replaces modules. This module has the same replacements."""
NPM_PACKAGES = ("better-auth", "mysql2", "ioredis", "@node-rs/argon2")
PYPI_PACKAGES = ("better-auth-server", "fastapi", "uvicorn", "uvloop", "httptools")


def install_npm() -> None:
    """Install what bench/peers/programs locks into bench/.work. Raises RuntimeError that says what is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise RuntimeError("npm's better-auth needs Node 20 or later with npm on PATH")
    lock = (FILES / "package-lock.json").read_text()
    if not _is_installed(installed := NODE / "node_modules" / ".installed", lock):
        NODE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FILES / name, NODE / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=NODE, stdout=subprocess.DEVNULL, timeout=INSTALL_SECONDS).returncode:
            raise RuntimeError("npm could not install bench/peers/programs (see above): is its registry reachable?")
        installed.write_text(lock)
    shutil.copy(FILES / "server.mjs", NODE / "server.mjs")


def install_pypi() -> None:
    """Create the virtual environment of requirements/peers.txt. Raises RuntimeError that says what is missing."""
    if _is_installed(installed := PYTHON / ".installed", lock := LOCK.read_text()):
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PYTHON)], check=True, timeout=INSTALL_SECONDS)
    pip = [str(python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    if subprocess.run([*pip, "-r", str(LOCK)], timeout=INSTALL_SECONDS).returncode:
        raise RuntimeError("pip could not install requirements/peers.txt (see above): is its index reachable?")
    installed.write_text(lock)


def install_kratos() -> None:
    """Build Ory Kratos from the Go module proxy, in some minutes. Raises RuntimeError that says what is missing."""
    if not shutil.which("go"):
        raise RuntimeError("Ory Kratos is built with Go 1.23 or later, which is not on PATH")
    if _is_installed(installed := GO / ".installed", GO_MODULE):
        return
    GO.mkdir(parents=True, exist_ok=True)
    (GO / "go.mod").write_text(GO_MODULE)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    command = ["nice", "go", "build", "-p", "1", "-o", str(kratos()), KRATOS]  # one job: each needs up to a gigabyte
    if subprocess.run(command, cwd=GO, env=environment, timeout=BUILD_SECONDS, stderr=subprocess.DEVNULL).returncode:
        raise RuntimeError(f"go could not build {KRATOS} {KRATOS_VERSION}: is the Go module proxy reachable?")
    installed.write_text(GO_MODULE)


def kratos() -> Path:
    """Return the program."""
    return GO / "kratos"


def python() -> Path:
    """Return the interpreter that PyPI's peers run with."""
    return PYTHON / "bin" / "python"


def versions() -> dict[str, str]:
    """Return the versions of the installed peers and of Node."""
    found = {}
    if (NODE / "node_modules" / ".installed").exists():
        found["node"] = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
        found |= {name: _npm_version(name) for name in NPM_PACKAGES}
    if (GO / ".installed").exists():
        found["ory kratos"] = KRATOS_VERSION.removeprefix("v")
    if python().exists():
        asked = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {PYPI_PACKAGES}}}))"
        listed = subprocess.run([python(), "-c", asked], capture_output=True, text=True, timeout=30)
        found |= json.loads(listed.stdout) if listed.returncode == 0 else {}
    return found


def _is_installed(mark: Path, lock: str) -> bool:
    return mark.exists() and mark.read_text() == lock


def _npm_version(name: str) -> str:
    return str(json.loads((NODE / "node_modules" / name / "package.json").read_text())["version"])
