"""What deployments and their pages name exists: settings, metrics, and commands of `trivet`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from gateway.sessions.near_cache_metrics import COUNTS
from known_variables import KNOWN_VARIABLES
from ops.cli import app
from ops.settings_reader import names_read
from ops.stack.environment import PROCESSES, settings_of
from tests.harness.processes import ROOT

PAGES = (ROOT / "docs/deploying.md", ROOT / "docs/scaling.md", ROOT / "docs/operations.md")
DEPLOYMENT = tuple(file for file in sorted((ROOT / "deploy").rglob("*")) if file.is_file() and "/env/" not in str(file))
SETTING = re.compile(r"\b(?:TRIVET|MYSQL|MONGODB|REDIS)_[A-Z_]*[A-Z]\b|\bDATABASE_URL\b")
METRIC = re.compile(
    r"\btrivet_(?:[a-z]+_)*(?:seconds|total|bytes|up|parked|overdue|rows|depth|count|bucket|sum|timestamp)\b"
)
OF_CONTAINERS = {"MYSQL_RANDOM_ROOT_PASSWORD", "MYSQL_PWD"}
"""Variables of MySQL's own image and client, beside MYSQL_USER and the others that identity reads too."""


def readable(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def exported() -> set[str]:
    """Return the names of all metrics of the code, as Prometheus writes them."""
    found = {f"trivet_near_{name}" for name in COUNTS}
    for folder in ("runtime", "protos/trivet", "services", "gateway", "ops"):
        for file in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r'"(trivet_[a-z_]+)"', file.read_text()))
    return found


def is_exported(name: str, metrics: set[str]) -> bool:
    series = re.sub(r"_(bucket|count|sum)$", "", name)
    return name in metrics or series in metrics or series.removesuffix("_total") in metrics


@pytest.mark.parametrize("file", [*DEPLOYMENT, *PAGES], ids=lambda file: str(file.relative_to(ROOT)))
def test_every_setting_and_metric_that_is_named_exists(file: Path) -> None:
    settings = {name for process in PROCESSES for name in names_read(settings_of(process))}
    named = set(SETTING.findall(readable(file)))
    unread = KNOWN_VARIABLES.unread(dict.fromkeys(named, ""))
    others = {name for name in named if not name.startswith("TRIVET_")} - settings - OF_CONTAINERS
    assert (unread, others) == ([], set())
    metrics = exported()
    assert [name for name in sorted(set(METRIC.findall(readable(file)))) if not is_exported(name, metrics)] == []


def test_a_name_that_does_not_exist_would_be_found() -> None:
    assert SETTING.findall("`TRIVET_GATEWAY_WORKER`, MYSQL_HOSTS") == ["TRIVET_GATEWAY_WORKER", "MYSQL_HOSTS"]
    assert METRIC.findall("rate(trivet_http_request_total[5m])") == ["trivet_http_request_total"]
    assert METRIC.findall("GRANT SELECT ON trivet.* TO trivet_backup") == []
    assert not is_exported("trivet_http_request_total", exported())
    assert is_exported("trivet_http_requests_total", exported())


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield (file, words) of every call of `trivet` by a deployment."""
    for name in ("compose.yaml", "kubernetes/base/migrate.yaml", "kubernetes/base/backup.yaml"):
        text = readable(ROOT / "deploy" / name)
        for words in re.findall(r"^\s*(?:command|args): (\[[^\]]+\])$", text, re.MULTILINE):
            parsed = yaml.safe_load(words)
            if parsed[0] in ("db", "backup"):
                yield name, parsed
    for unit in (ROOT / "deploy/systemd").glob("*.service"):
        for words in re.findall(r"^ExecStart=\S+/bin/trivet (.+)$", readable(unit), re.MULTILINE):
            yield unit.name, words.split()


def test_every_command_that_a_deployment_runs_exists() -> None:
    found = list(commands())
    assert len(found) >= 7
    for file, words in found:
        command = typer.main.get_command(app)
        while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{file}: {words}"
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, f"{file}: {words}"
