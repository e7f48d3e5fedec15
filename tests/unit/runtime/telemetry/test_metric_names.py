"""Every metric of the code is ours by its name, and says what it counts."""

from tests.harness.declared_metrics import declared


def test_every_metric_is_named_trivet_and_has_a_sentence() -> None:
    metrics = list(declared())
    assert [
        (each.where, each.name)
        for each in metrics
        if not (each.name.startswith("trivet_") and each.sentence.endswith("."))
    ] == [], "name it trivet_..., and say in one sentence what it counts"
    assert len(metrics) > 40
