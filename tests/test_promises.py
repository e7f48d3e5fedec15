"""`promises/` is honest: every promise has a row in one of its files, and every test that a row names exists."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROWS: list[dict[str, Any]] = [
    row
    for file in sorted((ROOT / "tests/promises").glob("*.toml"))
    for row in tomllib.loads(file.read_text())["promise"]
]
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
ID = re.compile(r"\b([0-9]+\.[0-9]+|[A-Z][0-9]+)\b")
SAME = 0.6
"""How much of their words a row and a docstring may share: over it, one of them says nothing of its own."""


@cache
def docstrings_in(path: Path) -> dict[str, str]:
    """Return the docstrings of a file's tests by name, `test_x` or `TestY::test_x`, without running it."""
    return dict(_docstrings(ast.parse(path.read_text()), ""))


def _docstrings(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and child.name.startswith("test_"):
            yield prefix + child.name, ast.get_docstring(child) or ""
        elif isinstance(child, ast.ClassDef):
            yield from _docstrings(child, f"{prefix}{child.name}::")


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
        docstrings = {test: docstring(test, root) for test in named_by(row)}
        found += [f"{row['id']}: there is no {test}" for test, said in docstrings.items() if said is None]
        found += [f"{row['id']}: says the same as {test}" for test, said in docstrings.items() if same(row, said)]
    return found


def docstring(test: str, root: Path) -> str | None:
    """Return the docstring of the test `path::name` or `path::Class::name`, None if there is no such test.

    Of a parametrized test it takes the name before the bracket.
    """
    file, _, name = test.partition("::")
    path = root / file
    return docstrings_in(path).get(name.partition("[")[0]) if path.is_file() else None


def same(row: Mapping[str, Any], said: str | None) -> bool:
    """Whether a docstring, without the ids in it, has the words of a row."""
    ours, theirs = words(row.get("says", "")), words(ID.sub("", said or ""))
    return bool(theirs) and 2 * len(ours & theirs) / (len(ours) + len(theirs)) > SAME


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


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


def test_a_docstring_that_a_row_says_again_is_found(complete: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "test_said.py").write_text('def test_one():\n    """S2: a new role takes a new session."""\n')
    complete[0] = {"id": complete[0]["id"], "says": "a new role takes a session", "test": "test_said.py::test_one"}
    assert mistakes(complete, tmp_path) == [f"{complete[0]['id']}: says the same as test_said.py::test_one"]
    complete[0]["says"] = "what a person may do follows the role at once"
    assert mistakes(complete, tmp_path) == []


def test_not_built_yet_is_no_reason(complete: list[dict[str, Any]], root: Path) -> None:
    complete[0]["missing"] = NO_REASON
    assert mistakes(complete, root) == [f"{complete[0]['id']}: gives no reason"]


def test_a_line_of_safety_without_a_row_is_found(complete: list[dict[str, Any]], root: Path) -> None:
    rows = [row for row in complete if row["id"] != "R14"]
    assert mistakes(rows, root) == ["R14: a line of safety.md without a row"]


def test_an_item_without_a_row_is_found(complete: list[dict[str, Any]], root: Path) -> None:
    rows = [row for row in complete if row["id"] != "2.4-x"]
    assert mistakes(rows, root) == ["2.4: an item of the issue without a row"]
