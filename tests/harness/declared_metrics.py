"""The metrics that the code declares, read from its source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from gateway.sessions.near_cache_metrics import COUNTS
from tests.harness.processes import ROOT

FOLDERS = ("gateway", "runtime", "services", "protos/trivet/client", "ops")
KINDS = {"Counter", "Gauge", "Histogram", "Info", "Summary", "CounterMetricFamily", "GaugeMetricFamily"}
OF_HISTOGRAMS = ("_bucket", "_count", "_sum")


@dataclass(frozen=True)
class Declared:
    """A metric: where it is declared, its kind, its name and its sentence."""

    where: str
    kind: str
    name: str
    sentence: str

    @property
    def series(self) -> set[str]:
        """The names that Prometheus stores."""
        if self.kind == "Histogram":
            return {self.name + suffix for suffix in OF_HISTOGRAMS}
        if self.kind == "Info":
            return {f"{self.name}_info"}
        is_counter = self.kind in ("Counter", "CounterMetricFamily")
        return {f"{self.name.removesuffix('_total')}_total" if is_counter else self.name}


@cache
def declared() -> tuple[Declared, ...]:
    """Return each metric whose name is written out."""
    return tuple(_declared())


def _declared() -> Iterator[Declared]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                kind = getattr(node.func, "id", getattr(node.func, "attr", ""))
                name, sentence, *_ = [*map(_text_of, node.args), "", ""]
                if kind in KINDS and name:
                    yield Declared(f"{path.relative_to(ROOT)}:{node.lineno}", kind, name, sentence)


@cache
def stored_names() -> frozenset[str]:
    """Return the names of all series that our processes can show."""
    names = frozenset(f"trivet_near_{name}_total" for name in COUNTS)
    return names.union(*(each.series for each in declared()))


def _text_of(node: ast.expr) -> str:
    """Return the text of a literal; empty if it is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
