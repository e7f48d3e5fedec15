"""The Grafana dashboards: written from their description, and about metrics that exist."""

import json
import re
from pathlib import Path

import pytest
import yaml

from deploy.grafana.generate import DASHBOARDS, FOLDER, rendered
from deploy.grafana.panels.panel import Dashboard
from tests.harness.declared_metrics import declared, stored_names
from tests.harness.processes import ROOT

EVERY = [pytest.param(each, id=each.id) for each in DASHBOARDS]
OTHERS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}
"""Metrics of Prometheus, and those of the process that prometheus_client adds."""
METRIC = re.compile(r"\b(?:trivet|process)_[a-z_]+\b|\bup\b")
SHOWN_NOWHERE = {"trivet_metrics_connections_refused_total": "about /metrics itself"}


def queries(dashboard: Dashboard) -> list[str]:
    return [query for panel in dashboard.panels for query in panel.queries.values()]


@pytest.mark.parametrize("dashboard", EVERY)
def test_a_dashboard_is_written_from_its_description(dashboard: Dashboard) -> None:
    assert (FOLDER / f"{dashboard.id}.json").read_text() == rendered(dashboard), "run `make dashboards`"
    panels = json.loads(rendered(dashboard))["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("dashboard", EVERY)
def test_a_dashboard_reads_metrics_of_the_code(dashboard: Dashboard) -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    recorded = {rule.get("record") for group in rules["groups"] for rule in group["rules"]}
    for query in queries(dashboard):
        assert set(METRIC.findall(query)) - stored_names() - OTHERS == set(), query
        assert set(re.findall(r"trivet:\w+:\w+", query)) <= recorded, query


def test_each_metric_of_the_code_is_on_a_dashboard() -> None:
    shown = {name for dashboard in DASHBOARDS for query in queries(dashboard) for name in METRIC.findall(query)}
    missing = {each.name for each in declared() if not each.series & shown} - SHOWN_NOWHERE.keys()
    assert missing == set(), "add a panel in deploy/grafana/panels"


def test_grafana_is_given_every_dashboard() -> None:
    """The folder has no others, and compose mounts it where the provider looks."""
    assert {path.stem for path in FOLDER.glob("*")} == {each.id for each in DASHBOARDS}
    (provider,) = yaml.safe_load(Path(FOLDER.parent / "provider.yaml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    mounts = dict(each.split(":")[:2] for each in compose["services"]["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    rules = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())["rule_files"]
    mounts = dict(each.split(":")[:2] for each in compose["services"]["prometheus"]["volumes"])
    assert rules == [mounts["./prometheus/rules.yml"]]
