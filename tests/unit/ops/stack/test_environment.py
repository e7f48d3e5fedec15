"""What each process finds in its environment."""

import pytest

from ops.errors import WrongSettings
from ops.settings import StackSettings
from ops.settings_reader import mistakes, names_read, read_settings
from ops.stack.environment import PROCESSES, environment, keys, settings_of

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
OPERATORS = {
    "PATH": "/bin",
    "AWS_SECRET_ACCESS_KEY": "theirs",
    "DATABASE_URL": "sqlite:////tmp/x",
    "MONGODB_URI": "mongodb://m",
    "REDIS_URL": "redis://r",
    "TRIVET_SECRET": SECRET,
    "TRIVET_ACCEPT_KEYS": "somebody=00",
    "TRIVET_TRUSTED_PROXIES": "10.0.0.0/8",
    "TRIVET_TRUSTED_ORIGINS": "https://app.example.com",
    "TRIVET_RATE_LIMIT": "on",
    "TRIVET_BASE_URL": "https://api.example.com",
    "TRIVET_ENV": "development",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
}
STORES = {"identity": "DATABASE_URL", "notifications": "MONGODB_URI", "cache": "REDIS_URL"}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_sees_its_own_store_alone(process: str) -> None:
    """K3: what a process does not know it cannot lose."""
    seen = environment(process, {}, OPERATORS)
    own = {STORES[process]} if process in STORES else set()
    assert {name for name in STORES.values() if name in seen} == own
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert seen["PATH"] == "/bin"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in seen


@pytest.mark.parametrize("process", PROCESSES)
def test_the_secret_reaches_those_alone_who_sign_with_it(process: str) -> None:
    assert ("TRIVET_SECRET" in environment(process, keys(process, SECRET, ("ops",)), OPERATORS)) == (
        process in ("gateway", "identity")
    )


def test_the_gateway_gets_what_the_operator_says_of_it() -> None:
    seen = environment("gateway", {}, OPERATORS)
    named = ("TRIVET_TRUSTED_PROXIES", "TRIVET_TRUSTED_ORIGINS", "TRIVET_RATE_LIMIT", "TRIVET_BASE_URL", "TRIVET_ENV")
    assert {name: seen[name] for name in named} == {name: OPERATORS[name] for name in named}


def test_keys_of_the_operators_environment_are_not_passed_on() -> None:
    assert "TRIVET_ACCEPT_KEYS" not in environment("identity", {}, OPERATORS)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_has_settings_that_the_stack_can_read(process: str) -> None:
    assert "TRIVET_ENV" in names_read(settings_of(process))


def test_mistakes_are_told_together_by_name_and_never_by_value() -> None:
    """R37."""
    wrong = {"TRIVET_HTTP_PORT": "eighty", "TRIVET_SECRET": "short-secret", "TRIVET_CACHE_PORT": "99999"}
    found = mistakes(StackSettings, wrong)
    assert {line.partition(":")[0] for line in found} == wrong.keys()
    assert not [line for line in found if "eighty" in line or "short-secret" in line]


def test_settings_held_against_each_other_are_told_beside_single_ones() -> None:
    found = mistakes(settings_of("gateway"), {"TRIVET_SECRET": SECRET, "TRIVET_HTTP_PORT": "x", "TRIVET_BASE_URL": "x"})
    assert len(found) == 2


@pytest.mark.parametrize(
    ("process", "name", "words"),
    [
        ("gateway", "TRIVET_COOKIE_CACHE", "'off', 'compact' or 'jwt'"),
        ("gateway", "TRIVET_RATE_LIMIT", "'on', 'off' or ''"),
        ("gateway", "TRIVET_DOCS", "'on', 'off' or ''"),
        ("gateway", "TRIVET_LOG_FORMAT", "'auto', 'json' or 'text'"),
        ("cache", "TRIVET_LOG_LEVEL", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("identity", "TRIVET_DELETE_USER", "'on', 'mail' or 'off'"),
        ("identity", "TRIVET_VERIFY_ON_SIGN_UP", "'on', 'off' or ''"),
        ("identity", "TRIVET_CHANGE_EMAIL", "'on' or 'off'"),
        ("identity", "TRIVET_PASSWORD_RESET", "'on' or 'off'"),
    ],
)
def test_a_wrong_word_is_told_with_the_words_that_may_be(process: str, name: str, words: str) -> None:
    assert f"{name}: Input should be {words}" in mistakes(settings_of(process), {name: "perhaps"})


@pytest.mark.parametrize("process", PROCESSES)
def test_no_setting_answers_a_mistake_with_a_regular_expression(process: str) -> None:
    fields = settings_of(process).model_fields.items()
    assert [name for name, field in fields if any(getattr(each, "pattern", None) for each in field.metadata)] == []
    everything = dict.fromkeys(names_read(settings_of(process)), "(")
    assert not [line for line in mistakes(settings_of(process), everything) if "pattern" in line or "^" in line]


@pytest.mark.parametrize("secret", ["", "short", "a" * 64])
def test_production_refuses_a_missing_a_short_and_a_guessable_secret(secret: str) -> None:
    """K1."""
    with pytest.raises(WrongSettings, match="TRIVET_SECRET"):
        read_settings(StackSettings, {"TRIVET_ENV": "production", "TRIVET_SECRET": secret})


@pytest.mark.parametrize("process", ["gateway", "identity"])
def test_a_former_secret_that_can_be_guessed_is_refused(process: str) -> None:
    """K1: what it signs is believed as what the one in use signs."""
    told = mistakes(settings_of(process), {"TRIVET_SECRET": SECRET, "TRIVET_SECRETS_OLD": f"{SECRET},abc"})
    assert [line for line in told if "TRIVET_SECRETS_OLD" in line and "32 characters" in line]
    assert not any("abc" in line.replace("abcdef", "") for line in told)
    fine = mistakes(settings_of(process), {"TRIVET_SECRET": SECRET, "TRIVET_SECRETS_OLD": SECRET})
    assert not [line for line in fine if "TRIVET_SECRETS_OLD" in line]
