"""Finds environment variables that begin with TRIVET_ and that nothing reads. Most of them are misspelled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

PREFIX = "TRIVET_"
SIMILARITY = 0.7
"""The least similarity of a suggested name to the unknown one, without the prefix. 1 means equal."""
LINK_NAME = re.compile(r"TRIVET_\w*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class KnownVariables:
    """The variables that processes read, by their names or by the beginning of their names."""

    names: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one name per line. A `*` at the end stands for any ending."""
        lines = text.split()
        return cls(
            frozenset(line for line in lines if not line.endswith("*")),
            tuple(line.removesuffix("*") for line in lines if line.endswith("*")),
        )

    def unread(self, environ: Mapping[str, str]) -> list[str]:
        """Return a line for each TRIVET_ variable that nothing reads, with the closest name. Never shows a value."""
        unknown = sorted(
            name
            for name, value in environ.items()
            if name.startswith(PREFIX)
            and name not in self.names
            and not name.startswith(self.beginnings)
            and not _is_link(name, value)
        )
        return [f"{name}: no process reads it{self._suggestion(name)}" for name in unknown]

    def _suggestion(self, name: str) -> str:
        own = name.removeprefix(PREFIX).upper()
        known = sorted(each.removeprefix(PREFIX) for each in self.names)
        close = get_close_matches(own, known, n=1, cutoff=SIMILARITY)
        return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _is_link(name: str, value: str) -> bool:
    """Whether Kubernetes made the variable for a service in the namespace, for example `trivet-gateway`."""
    return LINK_NAME.fullmatch(name) is not None or (name.endswith("_PORT") and LINK_VALUE.match(value) is not None)
