"""`python -I ops/install.py LOCK...`: installs the packages of lock files, and explains failures.

It runs before anything is installed, so it imports only the standard library.
"""

import ast
import os
import re
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PIP = (sys.executable, "-m", "pip")
INDEX = "https://pypi.org/simple"
REACH_SECONDS = 10.0
REPORT_EVERY = 10
"""The number of packages between two lines of output if there is no terminal."""
PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==", re.MULTILINE)
STEP = re.compile(r"\s*(?:Collecting|Requirement already satisfied:|Ignoring) ([A-Za-z0-9][\w.-]*?)(?:\[|[ =<>!~;:]|$)")
FILE = re.compile(r"\s*Processing \S*?([A-Za-z0-9_.]+)-[^-/\s]+(?:-[^/\s]+\.whl|\.tar\.gz)\b")
"""A line about a file from find-links."""
NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|Read timed out|Network is unreachable|"
    r"Failed to establish a new connection|Connection refused|after connection broken by|"
    r"CERTIFICATE_VERIFY_FAILED"
)
LOOK = "check the network and the proxy (https_proxy), or name another index with PIP_INDEX_URL; then run make again"
HINTS = (
    (NETWORK, f"the package index {{index}} does not answer: {LOOK}"),
    (re.compile("No space left on device"), "the disk is full: make room for some 500 MB, and run make again"),
    (
        re.compile("Permission denied|Read-only file system"),
        "{folder} cannot be written: change its owner or permissions",
    ),
    (re.compile("DO NOT MATCH THE HASHES"), "{index} has other files than the lock file: use another index"),
    (
        re.compile("No matching distribution found"),
        "{index} has no file that fits this Python and machine: use another index, or another Python",
    ),
)
UP = "\r\x1b[K"
"""Clears the line of a terminal."""


def main(locks: Sequence[str]) -> int:
    """Install the packages of the lock files. Return the exit status."""
    configured = settings()
    index = index_of(configured)
    alone: Sequence[str] = ()
    if (why := unreachable(configured)) is not None:
        away = f"the package index {index} cannot be reached ({why})"
        if "find-links" not in configured:
            return tell(f"{away}: {LOOK}")
        tell(f"{away}: trying find-links alone")
        index, alone = "find-links", ("--no-index",)
    names = {_normal(name) for lock in locks for name in PINNED.findall(Path(lock).read_text(encoding="utf-8"))}
    retries = () if "PIP_RETRIES" in os.environ else ("--retries", "2")
    files = [part for lock in locks for part in ("-r", lock)]
    command = [*PIP, "install", "--disable-pip-version-check", "--require-hashes", *alone, *retries, *files]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as pip:
        assert pip.stdout is not None
        last = show(pip.stdout, names)
    if pip.returncode == 0:
        return 0
    return explain(last, index_of(configured))


def settings() -> dict[str, str]:
    """Return what pip is configured with on this machine; the environment goes before its files."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section):
                found[name.removeprefix(section)] = str(ast.literal_eval(value))
    return found


def index_of(configured: Mapping[str, str]) -> str:
    """Return the address of the index without the user and password in it."""
    parts = urlsplit(configured.get("index-url", INDEX))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def unreachable(configured: Mapping[str, str]) -> str | None:
    """Return why the package index cannot be reached. Returns None if it can, or if none is needed."""
    if "no-index" in configured:
        return None
    target = urlsplit(configured.get("index-url", INDEX))
    if target.scheme not in ("http", "https") or not target.hostname:
        return None
    proxy = configured.get("proxy") or ("" if proxy_bypass(target.hostname) else getproxies().get(target.scheme, ""))
    if proxy:
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = target.port or {"https": 443}.get(target.scheme, 80)
    try:
        socket.create_connection((target.hostname or "", port), REACH_SECONDS).close()
    except OSError as error:
        by = "the proxy: " if proxy else ""
        return f"{by}{(error.strerror or str(error)).lower()}"
    return None


def show(lines: Iterable[str], names: set[str]) -> Sequence[str]:
    """Show the progress of pip. Return its last lines."""
    last: deque[str] = deque(maxlen=400)
    seen: set[str] = set()
    on_terminal = sys.stderr.isatty()
    for line in lines:
        last.append(line.rstrip())
        match = STEP.match(line) or FILE.match(line)
        if match and (name := _normal(match[1])) in names and name not in seen:
            seen.add(name)
            if on_terminal:
                say(f"{UP}trivet: {len(seen)} of {len(names)} packages: {name}")
            elif len(seen) % REPORT_EVERY == 0:
                say(f"trivet: {len(seen)} of {len(names)} packages\n")
        elif line.startswith("Installing collected packages"):
            say(f"{UP if on_terminal else ''}trivet: unpacking packages\n")
    if on_terminal:
        say(UP)
    return last


def explain(last: Sequence[str], index: str) -> int:
    """Explain why pip failed. Prints pip's last lines for an unknown cause."""
    said = "\n".join(last)
    for pattern, hint in HINTS:
        if pattern.search(said):
            return tell(hint.format(index=index, folder=sys.prefix))
    say("\n".join([*list(last)[-20:], ""]))
    return tell("pip failed: its last lines are above")


def tell(message: str) -> int:
    say(f"trivet: {message}\n")
    return 1


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
