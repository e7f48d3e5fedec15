"""What peers run with, installed once into bench/.work: npm's packages, and a virtual environment of PyPI's."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).parent / "peer"
NODE = Path(__file__).parent / ".work" / "peer"
PYTHON = Path(__file__).parent / ".work" / "python"
LOCK = Path(__file__).parents[1] / "requirements" / "peers.txt"
INSTALL_SECONDS = 300
NPM_PACKAGES = ("better-auth", "mysql2", "ioredis", "@node-rs/argon2")
PYPI_PACKAGES = ("better-auth-server", "fastapi", "uvicorn", "uvloop", "httptools")


def install_npm() -> None:
    """Bring the locked packages of bench/peer to bench/.work. Raises RuntimeError that says what is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise RuntimeError("npm's better-auth needs Node 20 or later with npm on PATH")
    lock = (FILES / "package-lock.json").read_text()
    if not _is_installed(installed := NODE / "node_modules" / ".installed", lock):  # gone with what it vouches for
        NODE.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FILES / name, NODE / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=NODE, stdout=subprocess.DEVNULL, timeout=INSTALL_SECONDS).returncode:
            raise RuntimeError("npm could not install bench/peer (see above): is its registry reachable?")
        installed.write_text(lock)
    shutil.copy(FILES / "server.mjs", NODE / "server.mjs")


def install_pypi() -> None:
    """Make the virtual environment of requirements/peers.txt. Raises RuntimeError that says what is missing."""
    if _is_installed(installed := PYTHON / ".installed", lock := LOCK.read_text()):
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PYTHON)], check=True, timeout=INSTALL_SECONDS)
    pip = [str(python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    if subprocess.run([*pip, "-r", str(LOCK)], timeout=INSTALL_SECONDS).returncode:
        raise RuntimeError("pip could not install requirements/peers.txt (see above): is its index reachable?")
    installed.write_text(lock)


def python() -> Path:
    """Return the interpreter that PyPI's peers run with."""
    return PYTHON / "bin" / "python"


def versions() -> dict[str, str]:
    """Return what ran: Node and Python's packages, as far as they are installed."""
    found = {}
    if (NODE / "node_modules" / ".installed").exists():
        found["node"] = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
        found |= {name: _npm_version(name) for name in NPM_PACKAGES}
    if python().exists():
        asked = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {PYPI_PACKAGES}}}))"
        told = subprocess.run([python(), "-c", asked], capture_output=True, text=True, timeout=30)
        found |= json.loads(told.stdout) if told.returncode == 0 else {}
    return found


def _is_installed(mark: Path, lock: str) -> bool:
    return mark.exists() and mark.read_text() == lock


def _npm_version(name: str) -> str:
    return str(json.loads((NODE / "node_modules" / name / "package.json").read_text())["version"])
