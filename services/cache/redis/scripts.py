"""The Lua scripts. Redis runs each one atomically."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """A script: its name in metrics and traces, its text, and the SHA-1 by which EVALSHA names it."""

    name: str
    text: str
    sha: str


def load(name: str, *parts: str) -> Script:
    """Return the script that consists of these files in `lua/`, in this order."""
    text = "\n".join((FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    # EVALSHA names scripts by SHA-1. Nothing depends on its strength.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


GET = load("entries.get", "stream", "claims", "get")
SET = load("entries.set", "stream", "claims", "set")
INVALIDATE = load("tags.invalidate", "stream", "watchers", "invalidate")
ENSURE_EPOCH = load("stream.settle", "stream", "watchers", "ensure_epoch")
TAIL = load("stream.tail", "stream", "events", "watchers", "tail")
RANGE = load("stream.range", "stream", "events", "range")
REPORTS = load("watchers.told", "stream", "watchers", "reports")
FORGET = load("watchers.forget", "stream", "watchers", "forget")
INCREMENT = load("counters.increment", "increment")
DELETE = load("entries.delete", "delete")
ACQUIRE = load("windows.acquire", "acquire")
GCRA = load("rates.acquire", "gcra")
