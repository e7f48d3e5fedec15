"""The Lua scripts that Redis runs, each one step that nothing comes between."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the name that Redis knows it by once it has seen it."""

    name: str
    text: str
    sha: str


def load(name: str, *parts: str) -> Script:
    """Read a script from the files it is made of, in their order."""
    text = "\n".join((FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    # SHA-1 is what EVALSHA names scripts by; nothing rests on its strength.
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
