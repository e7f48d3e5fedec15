"""Settings: read once, all mistakes told together by name, and no value ever shown."""

import os

import pytest

from gateway.settings import GatewaySettings
from known_variables import KNOWN_VARIABLES
from runtime.settings import Environment, ServiceSettings, SiteSettings, read

CANARY = "c0ffee" * 12


@pytest.fixture(autouse=True)
def _an_environment_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRIVET_")]:
        monkeypatch.delenv(name)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVET_ACCEPT_KEYS", f"gateway={CANARY}, billing={CANARY}")
    monkeypatch.setenv("TRIVET_ENV", "production")
    monkeypatch.setenv("TRIVET_GRACE_SECONDS", "0.5")
    settings = read(ServiceSettings, KNOWN_VARIABLES)
    assert settings.accept_keys == {"gateway": bytes.fromhex(CANARY), "billing": bytes.fromhex(CANARY)}
    assert (settings.environment, settings.grace_seconds) == (Environment.PRODUCTION, 0.5)


def test_every_mistake_is_told_at_once_by_name_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """R37."""
    wrong = {
        "TRIVET_ENV": "staging-hunter2",
        "TRIVET_METRICS_PORT": "99999999",
        "TRIVET_LOG_FORMAT": "xml-hunter2",
        "TRIVET_LOG_LEVEL": "LOUD-hunter2",
        "TRIVET_TRACE_RATIO": "1.5",
        "TRIVET_ACCEPT_KEYS": f"gateway={CANARY[:20]}",
        "TRIVET_CALL_LIMIT_SECONDS": "0",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as refused:
        read(ServiceSettings, KNOWN_VARIABLES)
    told = capsys.readouterr().err
    assert refused.value.code == 2
    assert [line for line in told.splitlines() if line.startswith("  ")] == told.splitlines()[1:]
    assert {line.partition(":")[0].strip() for line in told.splitlines()[1:]} == set(wrong)
    assert not any(secret in told for secret in ("hunter2", CANARY[:20], "99999999"))


@pytest.mark.parametrize("keys", [CANARY, f"gateway {CANARY}", f"={CANARY}", f"gateway={CANARY}zz", f"a=,{CANARY}"])
def test_a_key_in_the_wrong_place_is_not_shown_either(
    keys: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """K1, I4: also when it stands where a name should."""
    monkeypatch.setenv("TRIVET_ACCEPT_KEYS", keys)
    with pytest.raises(SystemExit):
        read(ServiceSettings, KNOWN_VARIABLES)
    told = capsys.readouterr()
    assert "TRIVET_ACCEPT_KEYS" in told.err
    assert CANARY not in told.err + told.out


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read(ServiceSettings, KNOWN_VARIABLES)
    assert "TRIVET_ACCEPT_KEYS: Field required" in capsys.readouterr().err


def test_keys_do_not_show_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """K1, I4."""
    monkeypatch.setenv("TRIVET_ACCEPT_KEYS", f"gateway={CANARY}")
    settings = read(ServiceSettings, KNOWN_VARIABLES)
    shown = f"{settings!r} {settings} {settings.accept_keys} {settings.accept_keys!r}"
    assert "<keys for gateway>" in shown
    assert CANARY not in shown
    assert repr(bytes.fromhex(CANARY))[2:-1] not in shown


@pytest.mark.parametrize(
    ("environment", "asked", "on"),
    [
        ("development", None, True),
        ("production", None, False),
        ("production", "true", True),
        ("development", "0", False),
    ],
)
def test_reflection_is_on_in_development_unless_told_otherwise(
    environment: str, asked: str | None, on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4."""
    monkeypatch.setenv("TRIVET_ACCEPT_KEYS", f"gateway={CANARY}")
    monkeypatch.setenv("TRIVET_ENV", environment)
    if asked is not None:
        monkeypatch.setenv("TRIVET_REFLECTION", asked)
    assert read(ServiceSettings, KNOWN_VARIABLES).reflection_on is on


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:8081"),
        ("0.0.0.0", "http://localhost:8081"),
        ("::", "http://localhost:8081"),
        ("192.168.1.7", "http://192.168.1.7:8081"),
    ],
)
def test_the_default_base_url_is_the_name_that_pages_of_this_machine_use(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    for name, value in {"TRIVET_SECRET": "s" * 32, "TRIVET_HOST": host, "TRIVET_HTTP_PORT": "8081"}.items():
        monkeypatch.setenv(name, value)
    assert read(SiteSettings, KNOWN_VARIABLES).base_url == url


@pytest.mark.parametrize("address", ["10.0.0.7:50051", "identity:50051", "[::1]:50051", "dns:///identity:50051"])
def test_an_address_of_a_service_is_host_and_port_or_a_target(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TRIVET_SECRET", "s" * 32)
    monkeypatch.setenv("TRIVET_IDENTITY_ADDRESS", address)
    assert read(GatewaySettings, KNOWN_VARIABLES).identity_address == address


@pytest.mark.parametrize("address", ["http://127.0.0.1:50051", "localhost", "127.0.0.1:", ":50051", "a b:1", "::1:5"])
def test_an_address_that_leads_nowhere_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    """R37: gRPC itself would only ever fail to connect, without a word."""
    monkeypatch.setenv("TRIVET_SECRET", "s" * 32)
    monkeypatch.setenv("TRIVET_IDENTITY_ADDRESS", address)
    with pytest.raises(SystemExit):
        read(GatewaySettings, KNOWN_VARIABLES)
    assert "TRIVET_IDENTITY_ADDRESS: must be HOST:PORT" in capsys.readouterr().err
