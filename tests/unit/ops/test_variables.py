"""Variables that look like ours and that nothing reads: told of with the nearest name, and refused in production."""

import re
import subprocess
from pathlib import Path

import pytest

from known_variables import KNOWN_VARIABLES, LIST
from ops.settings import StackSettings
from ops.stack import environment
from ops.variables import names
from tests.harness.processes import ROOT, SECRET, process
from tests.harness.stack import environment as surroundings
from tests.harness.stack import trivet
from tests.harness.waiting import until

NAME = re.compile(r"\bTRIVET_[A-Z0-9_]*[A-Z0-9]\b(?!_?[<*])")


def test_the_list_is_what_the_settings_read() -> None:
    assert names() == LIST.read_text().split(), "make variables"


def test_what_the_documentation_and_deployments_name_is_read() -> None:
    """The list is whole, and so are the names that operators copy."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = ("deploy/", "docs/", "bin/", "services/", "gateway/", "ops/", "runtime/")
    files = [ROOT / name for name in tracked if name == "README.md" or name.startswith(folders)]
    found = {name for file in files for name in NAME.findall(file.read_text(errors="replace"))}
    assert len(found) > 70
    assert KNOWN_VARIABLES.unread(dict.fromkeys(found, "")) == []


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("TRIVET_RATE_LIMITS", "; did you mean TRIVET_RATE_LIMIT?"),
        ("TRIVET_SECRET_OLD", "; did you mean TRIVET_SECRETS_OLD?"),
        ("TRIVET_COOKIECACHE", "; did you mean TRIVET_COOKIE_CACHE?"),
        ("TRIVET_cookie_cache", "; did you mean TRIVET_COOKIE_CACHE?"),
        ("TRIVET_OATH_SIGN_UP", "; did you mean TRIVET_OAUTH_SIGN_UP?"),
        ("TRIVET_WEATHER", ""),
    ],
)
def test_a_misspelled_name_is_told_with_the_nearest_one(wrong: str, hint: str) -> None:
    assert KNOWN_VARIABLES.unread({wrong: "hunter2"}) == [f"{wrong}: no process reads it{hint}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIVET_TEST_REQUIRE", "all"),
        ("TRIVET_OAUTH_OIDC_MY_IDP_ISSUER", "https://id.example.com"),
        ("TRIVET_FAILPOINTS", ""),
        ("TRIVET_IMPORT_FROM", "sqlite:///x"),
        ("TRIVET_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("TRIVET_GATEWAY_SERVICE_PORT_HTTP", "80"),
        ("TRIVET_GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("TRIVET_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("RATE_LIMITS", "on"),
    ],
)
def test_what_something_reads_or_kubernetes_makes_is_not_told_of(name: str, value: str) -> None:
    assert KNOWN_VARIABLES.unread({name: value}) == []


async def test_a_process_tells_of_it_in_development_and_starts() -> None:
    with process("cache", wait=False, TRIVET_CACHE_PREFFIX="hunter2", TRIVET_SMTP_URL="smtp://x") as running:
        await until(lambda: "no process reads it; did you mean TRIVET_CACHE_PREFIX?" in running.output(), 20)
        assert running.popen.poll() is None
        assert "hunter2" not in running.output()
        assert "TRIVET_SMTP_URL" not in running.output()


def test_a_process_refuses_it_in_production() -> None:
    with process("cache", wait=False, TRIVET_ENV="production", TRIVET_CACHE_PREFFIX="hunter2") as running:
        assert running.popen.wait(20) == 2
        assert running.output() == (
            "trivet: these settings are wrong:\n"
            "  TRIVET_CACHE_PREFFIX: no process reads it; did you mean TRIVET_CACHE_PREFIX?\n"
        )


def test_a_stack_refuses_it_in_production(tmp_path: Path) -> None:
    own = surroundings(tmp_path, TRIVET_ENV="production", TRIVET_BASE_URL="https://x.io", TRIVET_RATE_LIMITS="off")
    refused = trivet("run", environment=own)
    assert refused.returncode == 2
    assert refused.stderr == (
        "trivet: these settings are wrong:\n"
        "  TRIVET_RATE_LIMITS: no process reads it; did you mean TRIVET_RATE_LIMIT?\n"
    )


def test_a_stack_tells_of_it_in_development(capsys: pytest.CaptureFixture[str]) -> None:
    found = environment.read(StackSettings, {"TRIVET_SECRET": SECRET, "TRIVET_RATE_LIMITS": "off"})
    assert found.http_port == 8080
    assert capsys.readouterr().err == (
        "trivet: warning: TRIVET_RATE_LIMITS: no process reads it; did you mean TRIVET_RATE_LIMIT?\n"
    )
