"""`promises.toml` is honest: every promise has a row, and every test that a row names exists."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROWS: list[dict[str, Any]] = tomllib.loads((ROOT / "tests/promises.toml").read_text())["promise"]
LINES = {"A": 8, "S": 7, "C": 5, "O": 6, "I": 7, "W": 4, "P": 4, "G": 7, "H": 6, "K": 3, "R": 37, "0.": 6}
"""How many lines each letter of safety.md has."""
SAFETY = {f"{letter}{number + 1}" for letter, count in LINES.items() for number in range(count)}
SAFETY |= {f"0.{letter}" for letter in "abcde"}
ITEMS = {f"2.{number}" for number in range(1, 13)} | {f"3.{number}" for number in range(1, 10)}
"""The items of issues 2 and 3; 2.12 is bad input and faults."""
ROWS_OF_10 = {"A": 18, "B": 27, "C": 4}
"""How many rows each part of issue 10 has; its part D is one."""
ITEMS |= {f"10.{letter}{number + 1}" for letter, count in ROWS_OF_10.items() for number in range(count)} | {"10.D"}
NO_REASON = "not built yet"


@cache
def names_in(path: Path) -> set[str]:
    """Return the names of a file's tests, as `test_x` or `TestY::test_x`, without running it."""
    return set(_names(ast.parse(path.read_text()), ""))


def _names(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child.name.startswith("test_"):
            yield prefix + child.name
        elif isinstance(child, ast.ClassDef):
            yield from _names(child, f"{prefix}{child.name}::")


def named_by(row: Mapping[str, Any]) -> list[str]:
    named = row.get("test", [])
    return [named] if isinstance(named, str) else list(named)


def mistakes(rows: list[dict[str, Any]], root: Path) -> list[str]:
    """Return a line for everything that is wrong with the rows."""
    counts = Counter(row["id"] for row in rows)
    found = [f"{name}: used twice" for name, count in counts.items() if count > 1]
    found += [f"{name}: a line of safety.md without a row" for name in sorted(SAFETY - counts.keys())]
    items = {name.partition("-")[0] for name in counts}
    found += [f"{name}: an item of the issue without a row" for name in sorted(ITEMS - items)]
    for row in rows:
        if not row.get("says"):
            found.append(f"{row['id']}: says nothing")
        if bool(named_by(row)) == bool(row.get("missing")):
            found.append(f"{row['id']}: wants either a test or the reason why it is missing")
        if row.get("missing") == NO_REASON:
            found.append(f"{row['id']}: gives no reason")
        found += [f"{row['id']}: there is no {test}" for test in named_by(row) if not exists(test, root)]
    return found


def exists(test: str, root: Path) -> bool:
    """Whether `path::name` or `path::Class::name` is a test; of a parametrized one, the name before the bracket."""
    file, _, name = test.partition("::")
    path = root / file
    return path.is_file() and name.partition("[")[0] in names_in(path)


def test_every_promise_has_a_row_and_every_row_an_existing_test_or_a_reason() -> None:
    assert mistakes(ROWS, ROOT) == []


@pytest.fixture
def complete() -> list[dict[str, Any]]:
    """Rows without a mistake."""
    names = [*SAFETY, *(f"{item}-x" for item in ITEMS)]
    return [{"id": name, "says": "something", "missing": "for a reason"} for name in names]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    source = "def test_one(): ...\nclass TestTwo:\n    async def test_inner(self): ...\ndef helper(): ...\n"
    (tmp_path / "test_some.py").write_text(source)
    return tmp_path


def test_complete_rows_are_right(complete: list[dict[str, Any]], root: Path) -> None:
    complete[0] = {"id": complete[0]["id"], "says": "x", "test": ["test_some.py::test_one[case]"]}
    complete[1] = {"id": complete[1]["id"], "says": "x", "test": "test_some.py::TestTwo::test_inner"}
    assert mistakes(complete, root) == []


@pytest.mark.parametrize("test", ["test_some.py::test_two", "test_none.py::test_one", "test_some.py::helper", "x"])
def test_a_test_that_does_not_exist_is_found(complete: list[dict[str, Any]], root: Path, test: str) -> None:
    complete[0] = {"id": complete[0]["id"], "says": "x", "test": test}
    assert mistakes(complete, root) == [f"{complete[0]['id']}: there is no {test}"]


def test_an_id_used_twice_is_found(complete: list[dict[str, Any]], root: Path) -> None:
    assert mistakes([*complete, complete[0]], root) == [f"{complete[0]['id']}: used twice"]


@pytest.mark.parametrize("change", [{"missing": ""}, {"test": "test_some.py::test_one"}])
def test_a_row_with_neither_or_both_is_found(
    complete: list[dict[str, Any]], root: Path, change: dict[str, str]
) -> None:
    complete[0] |= change
    assert len(mistakes(complete, root)) == 1


def test_not_built_yet_is_no_reason(complete: list[dict[str, Any]], root: Path) -> None:
    complete[0]["missing"] = NO_REASON
    assert mistakes(complete, root) == [f"{complete[0]['id']}: gives no reason"]


def test_a_line_of_safety_without_a_row_is_found(complete: list[dict[str, Any]], root: Path) -> None:
    rows = [row for row in complete if row["id"] != "R14"]
    assert mistakes(rows, root) == ["R14: a line of safety.md without a row"]


def test_an_item_without_a_row_is_found(complete: list[dict[str, Any]], root: Path) -> None:
    rows = [row for row in complete if row["id"] != "2.4-x"]
    assert mistakes(rows, root) == ["2.4: an item of the issue without a row"]
