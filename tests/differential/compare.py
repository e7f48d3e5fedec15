"""In what one server's exchanges differ from another's, less what is agreed on."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

LABEL = re.compile(r"«(\d+ \d+)»")
ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One place where an answer is not the original's."""

    scenario: str
    number: int
    request: str
    asked: str
    place: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.number} {self.request} {self.asked} | {self.place} | theirs {self.theirs} | ours {self.ours}"


@dataclass
class Pairing:
    """Which of our random values stands for which of theirs: one for one, for as long as a scenario lasts."""

    ours: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)

    def stands_for(self, theirs: str, ours: str) -> bool:
        """Whether the texts are alike but for random values of one length, each always with the same other."""
        if LABEL.sub("«»", theirs) != LABEL.sub("«»", ours):
            return False
        return all(self._pair(one, two) for one, two in zip(LABEL.findall(theirs), LABEL.findall(ours), strict=True))

    def _pair(self, theirs: str, ours: str) -> bool:
        if theirs.split()[0] != ours.split()[0]:
            return False
        if theirs not in self.ours and ours not in self.theirs:
            self.ours[theirs], self.theirs[ours] = ours, theirs
        return self.ours.get(theirs) == ours


def differences(scenario: str, theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[Difference]:
    """Return every place in which our exchanges of a scenario are not theirs, in order."""
    pairing = Pairing()
    found: list[Difference] = []
    for number, (one, two) in enumerate(zip_longest(theirs, ours, fillvalue={"request": ABSENT})):
        asked = json.dumps(one.get("asked"), ensure_ascii=False)
        if "why" in two:
            return [*found, Difference(scenario, number, one["request"], asked, "why", ABSENT, two["why"])]
        for place, this, that in _unlike(pairing, one, two, ""):
            found.append(Difference(scenario, number, one["request"], asked, place, this, that))
    return found


def _unlike(pairing: Pairing, theirs: Any, ours: Any, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        names = [*theirs, *(name for name in ours if name not in theirs)]
        for name in names:
            yield from _unlike(pairing, theirs.get(name, ABSENT), ours.get(name, ABSENT), f"{place}.{name}".lstrip("."))
    elif isinstance(theirs, list) and isinstance(ours, list):
        for index, (one, two) in enumerate(zip_longest(theirs, ours, fillvalue=ABSENT)):
            yield from _unlike(pairing, one, two, f"{place}.{index}")
    elif isinstance(theirs, str) and isinstance(ours, str):
        if not pairing.stands_for(theirs, ours):
            yield place, theirs, ours
    elif type(theirs) is not type(ours) or theirs != ours:
        yield place, json.dumps(theirs, ensure_ascii=False), json.dumps(ours, ensure_ascii=False)
