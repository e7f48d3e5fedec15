"""Free-form data from a Struct: whole numbers are whole, and a value has a kind."""

import json
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from runtime.struct_codec import is_exact, number, plain

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_data_comes_back_as_it_went(data: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(data)
    assert plain(struct, "data") == data


@pytest.mark.parametrize(
    ("given_number", "text"),
    [
        (5.0, "5"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (2.0**53, "9007199254740992"),
        (2.0**62, "4611686018427387904"),
        (1e19, "1e+19"),
    ],
)
def test_a_whole_number_is_written_as_one(given_number: float, text: str) -> None:
    struct = Struct()
    struct.update({"n": given_number})
    assert json.dumps(plain(struct, "data")) == f'{{"n": {text}}}'


def kindless(*path: str) -> Struct:
    """Return a Struct with a value, below objects of these names, that is not even null."""
    struct = inner = Struct()
    for name in path:
        inner = inner.fields[name].struct_value
    inner.fields["x"].SetInParent()
    return struct


@pytest.mark.parametrize(("path", "field"), [((), "data.x"), (("a", "b"), "data.a.b.x")])
def test_a_value_without_a_kind_is_refused_by_its_path(path: tuple[str, ...], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        plain(kindless(*path), "data")
    assert (refused.value.reason, refused.value.field) == ("VALUE_WITHOUT_KIND", field)


def test_so_is_one_in_a_list() -> None:
    struct = Struct()
    struct.fields["list"].list_value.values.add()
    with pytest.raises(InvalidArgument) as refused:
        plain(struct, "data")
    assert refused.value.field == "data.list.0"


@pytest.mark.parametrize(
    ("integer", "fits"),
    [
        (0, True),
        (2**53, True),
        (2**53 + 1, False),
        (2**53 + 2, True),
        (-(2**53) - 1, False),
        (10**22, True),
        (10**23, False),
    ],
)
def test_an_integer_is_exact_if_a_double_holds_all_of_it(integer: int, fits: bool) -> None:
    assert is_exact(integer) is fits


def test_an_integer_beyond_all_doubles_is_not_exact() -> None:
    assert not is_exact(10**400)


@pytest.mark.parametrize(("text", "value"), [("5.0", 5), ("5.5", 5.5), ("1e3", 1_000)])
def test_numbers_that_were_kept_as_floats_are_read_as_whole(text: str, value: float) -> None:
    read = json.loads(text, parse_float=number)
    assert (read, type(read)) == (value, type(value))
