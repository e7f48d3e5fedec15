"""The contract against import circles breaks on one, and names the modules in it."""

import grimp
import pytest

from tests.harness.import_cycles import NoCycles


def contract() -> NoCycles:
    return NoCycles("no circles", {}, {})


def graph(*imports: tuple[str, str]) -> grimp.ImportGraph:
    made = grimp.ImportGraph()
    for importer, imported in imports:
        made.add_import(importer=importer, imported=imported)
    return made


def test_imports_in_one_direction_are_allowed() -> None:
    assert contract().check(graph(("a", "b"), ("a", "c"), ("b", "c")), verbose=False).kept


def test_a_circle_over_three_modules_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = contract().check(graph(("a", "b"), ("b", "c"), ("c", "a"), ("a", "d")), verbose=False)
    assert not found.kept
    contract().render_broken_contract(found)
    said = capsys.readouterr().out
    assert all(f"{importer} imports {imported}" in said for importer, imported in ("ab", "bc", "ca"))
    assert "d" not in found.metadata["circle"]
