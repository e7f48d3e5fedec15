"""How a product's own fields are declared, and what each may hold."""

import re

import pytest

from identity_rules.custom_fields import RESERVED_FOR_USERS, Field, normalized, parse, type_mismatch


def declared(text: str) -> dict[str, Field]:
    return dict(parse(text, RESERVED_FOR_USERS))


def test_a_field_is_optional_settable_and_shown_unless_it_says_otherwise() -> None:
    found = declared('{"a":{"type":"string"},"b":{"type":"number","required":true,"input":false,"returned":false}}')
    assert found == {"a": Field("string"), "b": Field("number", required=True, input=False, returned=False)}
    assert declared("") == {}


def test_a_default_is_kept_in_the_form_of_a_value() -> None:
    assert declared('{"born":{"type":"date","defaultValue":"2020-01-31T01:00:00+01:00"}}')["born"].default == (
        "2020-01-31T00:00:00.000Z"
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("{" + ",".join(f'"a{i}":{{"type":"string"}}' for i in range(51)) + "}", "up to 50 fields"),
        ('{"email":{"type":"string"}}', "email is a reserved name"),
        ('{"role":{"type":"string"}}', "role is a reserved name"),
        ('{"constructor":{"type":"string"}}', "constructor is a reserved name"),
        ('{"__proto__":{"type":"string"}}', "'__proto__' must begin with a letter"),
        ('{"a b":{"type":"string"}}', "'a b' must begin with a letter"),
        ('{"$ne":{"type":"string"}}', "must begin with a letter"),
        ('{"a":"string"}', "a can have type"),
        ('{"a":{"type":"string","unique":true}}', "not unique"),
        ('{"a":{}}', "a: type must be one of"),
        ('{"a":{"type":"json"}}', "a: type must be one of"),
        ('{"a":{"type":["string"]}}', "a: type must be one of"),
        ('{"a":{"type":"string","input":"no"}}', "must be true or false"),
        ('{"a":{"type":"number","defaultValue":"1"}}', "a: defaultValue must be of the type number"),
    ],
)
def test_a_wrong_declaration_is_told_by_the_fields_name(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        declared(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""),
        ("number", 1),
        ("number", -1.5),
        ("boolean", False),
        ("date", "2020-01-31"),
        ("date", "2020-01-31T10:00:00.123456Z"),
        ("string[]", []),
        ("string[]", ["a"]),
        ("number[]", [1, 2.5]),
        ("string", None),
        ("number[]", None),
    ],
)
def test_what_fits_a_type(kind: str, value: object) -> None:
    assert type_mismatch(Field(kind), value) is None


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("string", 1, ("", "string")),
        ("string", {"$gt": ""}, ("", "string")),
        ("string", ["a"], ("", "string")),
        ("number", True, ("", "number")),
        ("number", "1", ("", "number")),
        ("number", 10**400, ("", "number")),
        ("number", float("nan"), ("", "number")),
        ("boolean", 0, ("", "boolean")),
        ("date", "tomorrow", ("", "date")),
        ("date", 1_700_000_000, ("", "date")),
        ("date", "0001-01-01T00:00:00+14:00", ("", "date")),
        ("string[]", "a", ("", "array")),
        ("string[]", ["a", None], (".1", "string")),
        ("number[]", [[1]], (".0", "number")),
    ],
)
def test_what_does_not_fit_a_type_says_where_and_what_was_wanted(
    kind: str, value: object, said: tuple[str, str]
) -> None:
    found = type_mismatch(Field(kind), value)
    assert found is not None
    assert found[:2] == said


def test_a_date_is_kept_in_utc_with_milliseconds() -> None:
    assert normalized(Field("date"), "2020-01-31T10:00:00.123456+02:00") == "2020-01-31T08:00:00.123Z"
    assert normalized(Field("date"), None) is None
    assert normalized(Field("string"), "2020-01-31") == "2020-01-31"
