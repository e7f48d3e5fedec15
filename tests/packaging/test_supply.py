"""What is in the repository and what it is built from: no secret, and nothing that may change under our hands."""

import math
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.processes import ROOT

GENERATED = ("requirements/", "protos/", "bench/results.json")
"""Hashes of packages, descriptors, figures."""
NPM_LOCK = "package-lock.json"
"""Hashes of packages as well."""
NAMES_OF_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[abp]-[\w-]{10,}|\bsk_live_\w+"
)
LONG = re.compile(r"(?<![\w/+.-])(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{32,}={0,2})(?![\w/+.-])")
ALLOWED = re.compile(r"[\w-]*(test|secret|abcdef|0123456789)[\w-]*|(/([a-z]\w*|\d+))+", re.IGNORECASE)
"""What a test calls a secret says so itself; and a path is none."""
PUBLISHED = {
    "4bf92f3577b34da6a3ce929d0e0e4736": "the trace of W3C's own example",
    "9188040d-6c67-4c5b-b112-36a304b66dad": "Microsoft's tenant of everybody's own accounts",
    "72f988bf-86f1-41af-91ab-2d7cd011db47": "Microsoft's own tenant",
    "j6WKcQRHgMNwvtetGxBcNnUAKd2D8wDb": "the token of the protocol's own example",
    "wd5PFv3bLFxHe5DDv9S154UfFAdP7wwe": "a session token in the API description's examples",
    "Qm3xB7cVfJ2pT9sLd5KzRw8NhYg4EaUi": "an id in the API description's examples",
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk": "the code verifier of RFC 7636, appendix B",
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM": "its code challenge",
}
FIXTURES = (
    "tests/fixtures/better_auth/",
    "tests/api/stack/test_import.py",
    "tests/unit/identity/email/test_links.py",
    "tests/unit/ops/doctor/test_judgments.py",
)
"""Recorded from a throw-away server, and secrets that the doctor judges: they open nothing."""
ENTROPY_BITS = 3.5


def tracked() -> list[str]:
    """Return every file that is in the repository or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def bits(text: str) -> float:
    """Return the entropy per character: words have little, random letters have much."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def secrets_in(text: str) -> Iterator[str]:
    """Yield what looks like a key: by its name, or because it is long and random."""
    yield from NAMES_OF_SECRETS.findall(text)
    for found in LONG.findall(text):
        is_mixed = re.search(r"\d", found) and re.search(r"[A-Za-z]", found)
        if is_mixed and found not in PUBLISHED and not ALLOWED.fullmatch(found) and bits(found) >= ENTROPY_BITS:
            yield found


def test_no_file_holds_a_secret() -> None:
    """K1."""
    found = {}
    for name in tracked():
        if not name.startswith(GENERATED + FIXTURES) and not name.endswith(NPM_LOCK):
            text = (ROOT / name).read_text(errors="replace")
            if secrets := list(secrets_in(text)):
                found[name] = secrets
    assert found == {}


@pytest.mark.parametrize(
    "secret",
    [
        "".join(("9f86d081884c7d65", "9a2feaa0c55ad015", "a3bf4f1b2b0b822c", "d15d6c15b0f00a08")),
        "".join(("-----BEGIN ", "RSA PRIVATE KEY-----")),
        "".join(("AKIA", "IOSFODNN7EXAMPLE")),
        "".join(("ghp_", "16C7e42F292c6912E7", "710c838347Ae178B4a")),
        "".join(("dGhpcyBpcyBh", "IHJhbmRvbSBzZWNyZXQgdGhhdCBp", "cyBsb25nMTIz")),
    ],
)
def test_a_secret_in_a_file_would_be_found(secret: str) -> None:
    assert list(secrets_in(f'KEY = "{secret}"\n'))


def names(requirements: list[object], groups: dict[str, list[object]]) -> Iterator[str]:
    """Yield the packages that a dependency group declares, with those of the groups it includes."""
    for each in requirements:
        if isinstance(each, dict):
            yield from names(groups[each["include-group"]], groups)
        else:
            yield re.split(r"[\[=<>~! ]", str(each))[0].lower().replace("_", "-")


def test_everything_that_is_declared_is_locked() -> None:
    """K2: a package that was added without `make lock` would be missing where the locks are installed."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for lock in (ROOT / "requirements").glob("*.txt"):
        locked = set(re.findall(r"^([a-z0-9._-]+)(?:\[[\w,-]+\])?==", lock.read_text(), re.MULTILINE | re.IGNORECASE))
        declared = set(names(groups[lock.stem], groups))
        assert declared - {name.lower() for name in locked} == set(), lock.name


def test_an_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    """K2."""
    image = (ROOT / "deploy/Dockerfile").read_text()
    assert all("--require-hashes" in line for line in image.splitlines() if "pip install" in line)
    assert re.findall(r"^USER (\w+)$", image, re.MULTILINE)[-1] == "10001"  # Kubernetes must see that it is not root
    assert not re.search(r"^(ARG|ENV) .*(SECRET|PASSWORD|KEY)", image, re.MULTILINE)


def test_no_process_takes_a_secret_from_its_command_line() -> None:
    """K1: everybody on the machine may read another process's arguments."""
    for path in [*(ROOT / "ops").glob("*.py"), *ROOT.glob("services/*/__main__.py"), ROOT / "gateway/__main__.py"]:
        assert not re.search(r'"--(secret|password|key|token)\b', Path(path).read_text()), path
