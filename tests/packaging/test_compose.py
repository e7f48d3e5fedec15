"""Compose files: valid, pinned, healthy before they are depended on, and closed to the outside; and their secrets."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.keys.pair_keys import SERVICES
from ops.settings import OpsSettings
from ops.settings_reader import mistakes
from ops.stack.environment import PROCESSES, settings_of
from tests.harness.processes import ROOT, SECRET

BIN = Path(sys.executable).parent
FITS = (str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec")
FILES = ("compose.yaml", "compose.development.yaml", "compose.production.yaml")
ONE_SHOT = ("migrate", "trivet")
"""Services that end: others wait for their exit, or nothing waits for them."""
STORES = {
    "mysql": {"migrate", "identity", "trivet", "backup"},
    "postgresql": {"migrate", "identity", "trivet", "backup"},
    "mongodb": {"migrate", "notifications", "trivet", "backup"},
    "redis": {"cache", "trivet"},
}
"""The services that must reach each store. No other service shares a network with it."""


def read(name: str) -> dict[str, Any]:
    """Return a compose file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / name).read_text())
    return found


SERVICES_OF_COMPOSE = read("compose.yaml")["services"]


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_fits_the_schema_of_compose(name: str) -> None:
    command = [*FITS, str(ROOT / "deploy" / name)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_compose_file_with_a_mistake_does_not_fit(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "deploy/compose.yaml").read_text().replace("read_only:", "readonly:"))
    command = [*FITS, str(wrong)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "readonly" in checked.stdout


def test_the_dockerfile_passes_hadolint() -> None:
    checked = subprocess.run(
        [BIN / "hadolint", "--failure-threshold", "info", ROOT / "deploy/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_every_image_is_pinned_by_its_version() -> None:
    tags = {name: service["image"].rpartition(":")[2] for name, service in SERVICES_OF_COMPOSE.items()}
    own = {name for name, service in SERVICES_OF_COMPOSE.items() if service["image"].startswith("trivet")}
    assert own == {*PROCESSES, *ONE_SHOT, "backup"}
    assert {name for name, tag in tags.items() if name not in own and tag.count(".") < 1} == set()


def test_every_service_that_stays_has_a_health_check() -> None:
    """The processes have that of their image, which tests/images/test_image.py runs."""
    without = {name for name, service in SERVICES_OF_COMPOSE.items() if "healthcheck" not in service}
    assert without == {*PROCESSES, *ONE_SHOT}
    assert "HEALTHCHECK" in (ROOT / "deploy/Dockerfile").read_text()


def test_every_dependency_waits_for_health_or_for_the_migration() -> None:
    waits = {
        (name, on): wait["condition"]
        for name, service in SERVICES_OF_COMPOSE.items()
        for on, wait in service.get("depends_on", {}).items()
    }
    assert len(waits) > 10
    for (name, on), condition in waits.items():
        wanted = "service_completed_successfully" if on == "migrate" else "service_healthy"
        assert condition == wanted, f"{name} on {on}"
    assert {name for name, on in waits if on == "migrate"} == {"identity", "notifications", "backup"}


def test_only_the_gateway_has_a_port_in_production_and_on_loopback_alone() -> None:
    published = {
        name: service["ports"]
        for file in ("compose.yaml", "compose.production.yaml")
        for name, service in read(file)["services"].items()
        if "ports" in service
    }
    assert published == {"gateway": ["127.0.0.1:8080:8080"]}
    for name, service in read("compose.development.yaml")["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_only_who_must_shares_a_network_with_a_store() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES_OF_COMPOSE.items()}
    for store, users in STORES.items():
        reached = {name for name, own in networks.items() if name not in STORES and own & networks[store]}
        assert reached == users, store
    inner = read("compose.yaml")["networks"]
    assert [name for name, network in inner.items() if not network.get("internal")] == ["outside"]


@pytest.mark.parametrize("name", [*PROCESSES, *ONE_SHOT, "backup"])
def test_a_process_has_no_rights_and_a_root_that_it_cannot_write(name: str) -> None:
    service = SERVICES_OF_COMPOSE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["trivet", "backup"])
def test_backups_are_made_and_read_on_one_volume(name: str) -> None:
    service = SERVICES_OF_COMPOSE[name]
    assert service["environment"]["TRIVET_BACKUP_TO"] == "/backups"
    assert service["volumes"] == ["backups:/backups"]


def test_the_image_of_the_command_has_what_backups_need() -> None:
    *_, image = (ROOT / "deploy/Dockerfile").read_text().partition(" AS trivet\n")
    assert "mariadb-client postgresql-client" in image
    assert "install -d -o 10001 -g 10001 /backups" in image
    packages = (ROOT / "requirements/ops.txt").read_text()
    assert all(f"\n{name}==" in packages for name in ("zstandard", "pyrage"))


def make_env(folder: Path, *arguments: str, **stores: str) -> "subprocess.CompletedProcess[str]":
    """Run a copy of make-env.sh, whose secrets then are in `folder`."""
    (folder / "deploy").mkdir(exist_ok=True)
    script = folder / "deploy/make-env.sh"
    script.write_bytes((ROOT / "deploy/make-env.sh").read_bytes())
    environ = {
        "PATH": os.environ["PATH"],
        "TRIVET": str(ROOT / "bin/trivet"),
        "TRIVET_PYTHON": sys.executable,
        "TRIVET_SECRET": SECRET,
        **stores,
    }
    return subprocess.run(["sh", script, *arguments], env=environ, capture_output=True, text=True, check=False)


def variables(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.mark.parametrize("database", ["mysql", "postgresql"])
def test_the_secrets_of_a_deployment_start_every_process(tmp_path: Path, database: str) -> None:
    done = make_env(tmp_path, "https://app.example.com", database)
    assert done.returncode == 0, done.stderr
    env = tmp_path / "deploy/env"
    composed = SERVICES_OF_COMPOSE
    for name in PROCESSES:
        given = {"TRIVET_ENV": "production"} | composed[name]["environment"] | variables(env / f"{name}.env")
        assert mistakes(settings_of(name), given) == [], name
    assert mistakes(OpsSettings, {"TRIVET_ENV": "production"} | variables(env / "command.env")) == []
    assert variables(env / "identity.env")["DATABASE_URL"].startswith(f"{database}://trivet:")
    assert (tmp_path / "deploy/.env").read_text() == f"COMPOSE_PROFILES={database}\n"
    assert {stat.S_IMODE(each.stat().st_mode) for each in env.iterdir()} == {0o600}
    assert stat.S_IMODE(env.stat().st_mode) == 0o700


def test_addresses_of_managed_stores_are_taken_and_no_database_is_started(tmp_path: Path) -> None:
    stores = {"DATABASE_URL": "mysql://a:b@db.internal/app", "MONGODB_URI": "mongodb://m.internal/app"}
    assert make_env(tmp_path, "https://app.example.com", **stores).returncode == 0
    env = tmp_path / "deploy/env"
    assert variables(env / "identity.env")["DATABASE_URL"] == stores["DATABASE_URL"]
    assert variables(env / "notifications.env")["MONGODB_URI"] == stores["MONGODB_URI"]
    assert stores.items() <= variables(env / "command.env").items()
    assert (tmp_path / "deploy/.env").read_text() == "COMPOSE_PROFILES=\n"


def test_each_process_gets_its_own_keys_and_only_signers_the_secret(tmp_path: Path) -> None:
    make_env(tmp_path, "https://app.example.com")
    found = {name: variables(tmp_path / f"deploy/env/{name}.env") for name in PROCESSES}
    assert {name for name, own in found.items() if "TRIVET_SECRET" in own} == {"gateway", "identity"}
    assert {name for name, own in found.items() if "TRIVET_ACCEPT_KEYS" in own} == set(SERVICES)
    for store, process in (("DATABASE_URL", "identity"), ("MONGODB_URI", "notifications"), ("REDIS_URL", "cache")):
        assert {name for name, own in found.items() if store in own} == {process}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give the address that browsers use"),
        (("app.example.com",), "give the address that browsers use"),
        (("https://app.example.com", "oracle"), "the database is mysql or postgresql, not oracle"),
    ],
)
def test_wrong_arguments_make_no_secrets(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = make_env(tmp_path, *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "deploy/env").exists()


def test_secrets_that_are_there_are_kept(tmp_path: Path) -> None:
    make_env(tmp_path, "https://app.example.com")
    before = (tmp_path / "deploy/env/mysql.env").read_text()
    again = make_env(tmp_path, "https://app.example.com")
    assert again.returncode == 2
    assert "is already there" in again.stderr
    assert (tmp_path / "deploy/env/mysql.env").read_text() == before
    assert sorted(each.name for each in (tmp_path / "deploy").iterdir()) == [".env", "env", "make-env.sh"]
