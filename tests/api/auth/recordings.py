"""What the original answered in every scenario, and in what we may differ from it."""

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

from tests.differential.compare import Difference

FOLDER = Path(__file__).parents[2] / "fixtures/better_auth"
RECORDING = FOLDER / "differential.json"
FIELDS = ("scenario", "request", "asked", "place", "theirs", "ours")


@dataclass(frozen=True)
class Agreed:
    """One place of what is listed: patterns (`*`, `?`) for what a difference says of itself."""

    what: str
    patterns: tuple[tuple[str, str], ...]

    def covers(self, difference: Difference) -> bool:
        return all(fnmatchcase(getattr(difference, name), pattern) for name, pattern in self.patterns)


def recording() -> dict[str, list[dict[str, Any]]]:
    """Return the original's exchanges by scenario."""
    loaded: dict[str, list[dict[str, Any]]] = json.loads(RECORDING.read_text())
    return loaded


def listed() -> dict[str, list[dict[str, Any]]]:
    """Return deviations.toml: `deviation`s that stay, and what is to become the original's `later`."""
    return tomllib.loads((FOLDER / "deviations.toml").read_text())


def agreements() -> Iterator[Agreed]:
    """Yield every place of everything that is listed."""
    for listed_one in chain(listed()["deviation"], listed().get("later", [])):
        for where in listed_one["where"]:
            assert where.keys() <= set(FIELDS), where
            yield Agreed(listed_one["what"], tuple(where.items()))


def unlisted(found: Iterable[Difference]) -> list[Difference]:
    """Return the differences that nobody agreed on."""
    places = tuple(agreements())
    return [difference for difference in found if not any(place.covers(difference) for place in places)]


def idle(found: Iterable[Difference]) -> list[Agreed]:
    """Return the places where there is no difference: they belong off the list."""
    differences = tuple(found)
    return [place for place in agreements() if not any(place.covers(difference) for difference in differences)]
