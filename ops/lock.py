"""`make lock`: writes the files in requirements/ from pyproject.toml. All use the versions of dev.txt."""

import os
import subprocess
import sys
from pathlib import Path

from ops import ROOT

GROUPS = (
    *("dev", "identity", "notifications", "cache", "gateway"),
    *("ops", "s3", "embedded", "tools", "node", "generators", "peers"),
)
APART = ("generators",)
"""Groups with an interpreter of their own, which can have other versions than dev.txt."""
OPTIONS = (
    "--quiet",
    "--universal",
    *("--python-version", "3.11"),
    *("--prerelease", "if-necessary-or-explicit"),
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
)


def pip_index(python: str = sys.executable) -> dict[str, str]:
    """Return the variables that make uv use pip's configured index."""
    for name in ("global.index-url", "install.index-url", ":env:.index-url"):
        found = subprocess.run([python, "-m", "pip", "config", "get", name], capture_output=True, text=True)
        if found.returncode == 0:
            return {"UV_DEFAULT_INDEX": found.stdout.strip()}
    return {}


def lock(group: str, environ: dict[str, str], *, upgrade: bool = False) -> None:
    """Write requirements/GROUP.txt."""
    out = Path("requirements") / f"{group}.txt"
    constraint = () if group in ("dev", *APART) else ("-c", "requirements/dev.txt")
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", *OPTIONS, "--group", group, *constraint]
    command += [*(["--upgrade"] if upgrade else []), "pyproject.toml", "-o", str(out)]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    print(f"  {out}")


def main() -> None:
    environ = {**os.environ, **pip_index()}
    for group in GROUPS:
        lock(group, environ, upgrade="--upgrade" in sys.argv[1:])


if __name__ == "__main__":
    main()
