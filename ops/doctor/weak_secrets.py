"""Secrets that can be guessed: TRIVET_SECRET, and the passwords of the stores."""

import stat
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ops.doctor.finding import Finding, error, note, warning
from ops.settings import HOW_TO_MAKE_ONE

CHECK = "secrets"
KNOWN_WORDS = ("secret", "password", "changeme", "change-me", "example", "trivet", "qwerty", "letmein", "default")
LONGEST_RUN = 8
SHORTEST_PASSWORD = 12
REMEDY = f"{HOW_TO_MAKE_ONE}, and replace it as docs/operations.md says under Keys"


def weakness(text: str) -> str:
    """Return why a secret can be guessed, without any part of it; empty if nothing speaks against it."""
    if any(word in text.lower() for word in KNOWN_WORDS):
        return "has a word in it that attackers try first"
    if _has_a_run(text):
        return f"has {LONGEST_RUN} characters in a row that follow each other"
    if any(text == (text[:length] * len(text))[: len(text)] for length in range(1, len(text) // 2 + 1)):
        return "repeats itself"
    return ""


def _has_a_run(text: str) -> bool:
    """Whether neighbors in the alphabet follow each other, as in 01234567 or hgfedcba."""
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    needed = LONGEST_RUN - 1
    return any(steps[start : start + needed] in ([1] * needed, [-1] * needed) for start in range(len(steps)))


async def of_cookies(environ: Mapping[str, str], root: Path) -> list[Finding]:
    """Check TRIVET_SECRET, its former values, and the file that holds it in development.

    What the settings refuse themselves (too short, too few different characters) is their finding.
    """
    found = []
    if why := weakness(environ.get("TRIVET_SECRET", "")):
        found.append(error(CHECK, f"TRIVET_SECRET {why}: who guesses it signs in as every user", REMEDY))
    for number, former in enumerate(filter(None, environ.get("TRIVET_SECRETS_OLD", "").split(",")), 1):
        if why := weakness(former.strip()):
            found.append(error(CHECK, f"value {number} of TRIVET_SECRETS_OLD {why}", "remove it: it is still accepted"))
    file = root / "secret"
    if file.exists() and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o077:
        found.append(warning(CHECK, f"other users can open {file} (mode {mode:o})", f"chmod 600 {file}"))
    return found


async def of_stores(addresses: Mapping[str, str]) -> list[Finding]:
    """Check the passwords in the addresses of stores, by the variable of each."""
    return [finding for name, address in addresses.items() for finding in _of_store(name, address)]


def _of_store(name: str, address: str) -> list[Finding]:
    parts = urlsplit(address)
    credentials = parts.netloc.rpartition("@")[0]
    user, _, password = map(unquote, credentials.partition(":"))
    if not password:
        if parts.scheme.startswith(("sqlite", "unix")) or not parts.netloc:
            return []
        remedy = "give the store a password, unless it has another lock (a certificate, a private network)"
        return [note(CHECK, f"{name} has no password", remedy)]
    why = weakness(password)
    if not why and len(password) < SHORTEST_PASSWORD:
        why = f"is shorter than {SHORTEST_PASSWORD} characters"
    if not why and user and user.lower() in password.lower():
        why = "has the user's name in it"
    if not why:
        return []
    return [warning(CHECK, f"the password in {name} {why}", "set a random one at the store and in the address")]
