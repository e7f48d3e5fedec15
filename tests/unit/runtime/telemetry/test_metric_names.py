"""Every metric of the code is ours by its name, and says what it counts."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[4]
FOLDERS = ("gateway", "runtime", "services", "protos/trivet/client")
KINDS = {"Counter", "Gauge", "Histogram", "Info", "Summary", "CounterMetricFamily", "GaugeMetricFamily"}


def text_of(node: ast.expr) -> str:
    """Return the text of a literal; empty if it is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def declared() -> Iterator[tuple[str, str, str]]:
    """Yield where each metric is declared, its name and its sentence."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in KINDS:
                    name, sentence, *_ = [*map(text_of, node.args), "", ""]
                    if name:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", name, sentence


def test_every_metric_is_named_trivet_and_has_a_sentence() -> None:
    metrics = list(declared())
    assert [
        (where, name)
        for where, name, sentence in metrics
        if not (name.startswith("trivet_") and sentence.endswith("."))
    ] == [], "name it trivet_..., and say in one sentence what it counts"
    assert len(metrics) > 40
