"""The alerts: each fires, has a remedy and a section in the docs, and reads metrics that exist."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.declared_metrics import stored_names
from tests.harness.processes import ROOT
from tests.harness.stores.engines import MissingEngineError, find
from tests.test_words import anchors

FOLDER = ROOT / "deploy/prometheus"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yml").read_text())
TESTS: dict[str, Any] = yaml.safe_load((FOLDER / "rules.test.yml").read_text())
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
OTHERS = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
"""Metrics of Prometheus and of node_exporter."""
METRIC = re.compile(r"\b(?:trivet|node|process)_[a-z_]+\b|\bup\b")


@pytest.fixture
def promtool(required: bool) -> str:
    return program("promtool", "prometheus", required=required)


@pytest.fixture
def required() -> bool:
    return os.environ.get("TRIVET_TEST_REQUIRE") == "all"


def program(name: str, package: str, *, required: bool) -> str:
    """Return the path of a program; skip the test without it, or fail if all must be there."""
    try:
        return find(name)
    except MissingEngineError as error:
        why = f"{error}: Debian has it in the package {package}"
        if required:
            pytest.fail(why)
        pytest.skip(why)


def succeeds(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules_and_the_configuration(promtool: str) -> None:
    assert f"{len(ALL)} rules found" in succeeds(promtool, "check", "rules", FOLDER / "rules.yml")
    succeeds(promtool, "check", "config", "--syntax-only", ROOT / "deploy/observability/prometheus.yml")


def test_each_alert_fires_and_is_silent_while_all_is_well(promtool: str) -> None:
    succeeds(promtool, "test", "rules", FOLDER / "rules.test.yml")


def test_the_test_of_an_alert_can_fail(promtool: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(
        (FOLDER / "rules.yml").read_text().replace('job="trivet"} == 0', 'job="x"} == 0')
    )
    (tmp_path / "rules.test.yml").write_text((FOLDER / "rules.test.yml").read_text())
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "rules.test.yml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "TrivetProcessDown" in done.stdout + done.stderr


def test_amtool_takes_the_routes_of_alerts(required: bool) -> None:
    amtool = program("amtool", "prometheus-alertmanager", required=required)
    routes = FOLDER / "alertmanager.yml"
    succeeds(amtool, "check-config", routes)
    for severity in ("page", "ticket"):
        succeeds(
            amtool,
            "config",
            "routes",
            "test",
            f"--config.file={routes}",
            f"--verify.receivers={severity}",
            f"severity={severity}",
        )


def test_each_alert_is_tested_before_and_after_its_cause() -> None:
    for rule in ALERTS:
        name = rule["alert"]
        queries = [query for test in TESTS["tests"] if test["name"] == name for query in test["promql_expr_test"]]
        assert all(f'"{name}"' in query["expr"] for query in queries), name
        assert [bool(query["exp_samples"]) for query in queries] == [False, True], name


def test_each_alert_has_a_severity_a_summary_a_remedy_and_a_section() -> None:
    sections = anchors((ROOT / "docs/troubleshooting.md").read_text())
    for rule in ALERTS:
        name, notes = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert notes["summary"], name
        assert notes["mend"], name
        assert notes["runbook"] == f"docs/troubleshooting.md#{name.lower()}", name
        assert name.lower() in sections, f"docs/troubleshooting.md has no section on {name}"


def test_rules_read_metrics_of_the_code() -> None:
    known = stored_names() | OTHERS
    for rule in ALL:
        assert set(METRIC.findall(rule["expr"])) - known == set(), rule


def test_recorded_ratios_are_the_ones_that_alerts_compare() -> None:
    recorded = {rule["record"] for rule in ALL if "record" in rule}
    read = {name for rule in ALERTS for name in re.findall(r"trivet:\w+:\w+", rule["expr"])}
    assert read == recorded
