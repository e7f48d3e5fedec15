"""Every scenario, by name, and having one with a server."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.differential.servers import Server
from tests.differential.site import Site


@dataclass(frozen=True)
class Scenario:
    """Exchanges in order, had with servers of one variant."""

    name: str
    variant: str
    play: Callable[[Site], None]

    def had_with(self, server: Server) -> list[dict[str, Any]]:
        """Return the exchanges; where an answer leaves nothing to go on with, the last one says so."""
        with server.client() as http:
            site = Site(self.name, http, server.mailbox)
            try:
                self.play(site)
            except (KeyError, TypeError, IndexError, AssertionError, TimeoutError) as error:
                site.exchanges.append({"request": "(it could not go on)", "why": f"{type(error).__name__}: {error}"})
        return site.exchanges


def _found() -> Iterator[Scenario]:
    for path in sorted((Path(__file__).parent / "scenarios").glob("*.py")):
        module = importlib.import_module(f"tests.differential.scenarios.{path.stem}")
        for name, play in inspect.getmembers(module, inspect.isfunction):
            if play.__module__ == module.__name__ and not name.startswith("_"):
                yield Scenario(name.replace("_", "-"), module.VARIANT, play)


SCENARIOS = {scenario.name: scenario for scenario in _found()}
VARIANTS = sorted({scenario.variant for scenario in SCENARIOS.values()})


def of_variant(variant: str) -> list[Scenario]:
    return [scenario for scenario in SCENARIOS.values() if scenario.variant == variant]
