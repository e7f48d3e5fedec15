"""Virtual environments made fast: uv, its cache, and the index that pip is configured with."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ops.lock import pip_index


def uv(*arguments: str) -> None:
    """Run uv. Raises AssertionError with what it wrote."""
    program = Path(sys.executable).with_name("uv")
    environ = {**os.environ, **pip_index(), "UV_LINK_MODE": "hardlink"}
    ran = subprocess.run([program, "--quiet", *arguments], env=environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def distributions(python: Path) -> dict[str, str]:
    """Return what is installed there: versions by name."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "list", "--format", "json", "--python", str(python)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {item["name"]: item["version"] for item in json.loads(listed)}
