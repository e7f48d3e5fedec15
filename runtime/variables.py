"""What nothing reads although its name begins as ours do: most likely misspelled, and else without its effect."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

PREFIX = "TRIVET_"
LIST = Path(__file__).with_name("variables.txt")
"""Every name that something of ours reads, one a line, `*` for any ending. `make variables` writes it."""
LIKENESS = 0.7
"""How alike two names are that somebody may have taken for each other, without what all have in common."""
LINKS = re.compile(r"TRIVET_\w*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
LINK = re.compile(r"(tcp|udp|sctp)://")


def unread(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that begins with TRIVET_ and is read by no process; never its value."""
    names, beginnings = known()
    strangers = sorted(
        name
        for name, value in environ.items()
        if name.startswith(PREFIX)
        and name not in names
        and not name.startswith(beginnings)
        and not _is_link(name, value)
    )
    return [f"{name}: no process reads it{_hint(name, names)}" for name in strangers]


@cache
def known() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names that are read, and what others begin with that are."""
    lines = LIST.read_text().split()
    return (
        frozenset(line for line in lines if not line.endswith("*")),
        tuple(line.removesuffix("*") for line in lines if line.endswith("*")),
    )


def _is_link(name: str, value: str) -> bool:
    """Whether Kubernetes has made it, of a service beside us that is called `trivet-gateway`, say."""
    return LINKS.fullmatch(name) is not None or (name.endswith("_PORT") and LINK.match(value) is not None)


def _hint(name: str, names: frozenset[str]) -> str:
    own = name.removeprefix(PREFIX).upper()
    near = get_close_matches(own, sorted(each.removeprefix(PREFIX) for each in names), n=1, cutoff=LIKENESS)
    return f"; did you mean {PREFIX}{near[0]}?" if near else ""
