"""docs/configuration.md: made from the settings, whole and fresh."""

import re

import pytest
from pydantic import SecretStr

from ops.configuration import PAGE, default, page, values, variables
from ops.variables import BESIDES, names
from runtime.settings import Environment, from_env

PROSE = {
    *("TRIVET_EXPORT_TO", "TRIVET_IMPORT_FROM", "TRIVET_OAUTH_*"),
    *("TRIVET_VERIFY_DATABASE_URL", "TRIVET_VERIFY_MONGODB_URI"),
}
"""Named above the tables: options of commands, and a group of variables for each provider."""


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make configuration"


def test_the_page_has_every_variable_once() -> None:
    rows = re.findall(r"^\| `(TRIVET_\w+)`", page(), re.MULTILINE)
    assert sorted(rows) == sorted(set(names()) - {*BESIDES, *PROSE})


def test_every_variable_has_a_sentence() -> None:
    assert [each.names for each in variables().values() if not (each.declared.description or "").strip()] == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "required"),
        ({"default": ""}, "unset"),
        ({"default": SecretStr("")}, "unset"),
        ({"default": None}, "unset"),
        ({"default": ()}, "unset"),
        ({"default": ("a", "b")}, "`a,b`"),
        ({"default": False}, "`false`"),
        ({"default": 0}, "`0`"),
        ({"default": 2.0}, "`2`"),
        ({"default": Environment.PRODUCTION}, "`production`"),
    ],
)
def test_a_default_is_shown_as_an_operator_writes_it(given: dict[str, object], shown: str) -> None:
    assert default(from_env("TRIVET_X", **given)) == shown


def test_the_values_are_what_the_type_takes() -> None:
    declared = {each.names[0]: each.declared for each in variables().values()}
    assert values(declared["TRIVET_RATE_LIMIT"]) == "`on`, `off`"
    assert values(declared["TRIVET_REFLECTION"]) == "`true`, `false`"
    assert values(declared["TRIVET_ENV"]) == "`development`, `production`"
    assert values(declared["TRIVET_GATEWAY_WORKERS"]) == "from 1 to 64"
    assert values(declared["TRIVET_AUDIT_DAYS"]) == "above 0 to 3,650"
