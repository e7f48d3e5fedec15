"""A migration that would break the release before it is refused."""

from collections.abc import Mapping

import pytest
from pymongo import IndexModel
from sqlalchemy import MetaData

from ops.schema.expand_contract import Field, Snapshot, breaches, of_mongo, on_sqlite
from services.identity.store.schema.steps import Step
from services.notifications.store.schema.changes import AddIndex, Change, DropIndex, Migration, SetValidator
from services.notifications.store.schema.steps import steps as mongo_steps

NULL = Field(is_optional=True, is_nullable=True)
NEEDED = Field(is_optional=False, is_nullable=False)
DEFAULTED = Field(is_optional=True, is_nullable=False)
FIRST: Snapshot = {"users": {"id": NEEDED, "nickname": NULL}}
WITHOUT: Snapshot = {"users": {"id": NEEDED}}


def step(number: str, release: str, *, retires: tuple[str, ...] = (), drops: tuple[str, ...] = ()) -> Step:
    return Step(number, "", release, retires, drops, "0001")


def found(*stages: tuple[Step, Snapshot]) -> list[str]:
    """Run migrations that lead from an empty database to one snapshot after another."""
    now: list[Mapping[str, Mapping[str, Field]]] = [{}]
    by_step = {each.revision: after for each, after in stages}
    return list(
        breaches(
            [each for each, _ in stages], lambda each: now.append(by_step[each.revision]), lambda: now[-1], MetaData()
        )
    )


def test_the_migrations_of_the_repository_break_nothing() -> None:
    assert on_sqlite() == []


def test_a_drop_in_the_release_that_still_reads_the_column_is_refused() -> None:
    (line,) = found((step("0001", "0.1.0"), FIRST), (step("0002", "0.2.0", drops=("users.nickname",)), WITHOUT))
    assert "0002 drops or renames users.nickname, which the release before 0.2.0 still reads" in line


def test_a_drop_in_the_release_that_retires_the_column_is_refused() -> None:
    (line,) = found(
        (step("0001", "0.1.0"), FIRST),
        (step("0002", "0.2.0", retires=("users.nickname",)), FIRST),
        (step("0003", "0.2.0", drops=("users.nickname",)), WITHOUT),
    )
    assert "still reads" in line


@pytest.mark.parametrize(("retired", "after"), [("users.nickname", WITHOUT), ("users", {})])
def test_a_drop_in_a_release_after_the_one_that_retires_it_is_taken(retired: str, after: Snapshot) -> None:
    dropping = step("0003", "0.10.0", drops=(retired,))
    assert (
        found((step("0001", "0.1.0"), FIRST), (step("0002", "0.9.0", retires=(retired,)), FIRST), (dropping, after))
        == []
    )


def test_a_rename_is_a_drop() -> None:
    renamed: Snapshot = {"users": {"id": NEEDED, "handle": NULL}}
    said = found((step("0001", "0.1.0"), FIRST), (step("0002", "0.2.0"), renamed))
    assert said[0] == "0002 drops or renames users.nickname: name it in `drops`"
    assert len(said) == 2


def test_a_column_that_older_code_does_not_write_needs_a_default() -> None:
    for field, count in ((NEEDED, 1), (DEFAULTED, 0), (NULL, 0)):
        added: Snapshot = {"users": {**FIRST["users"], "rank": field}}
        assert len(found((step("0001", "0.1.0"), FIRST), (step("0002", "0.2.0"), added))) == count


def test_a_column_that_older_code_leaves_null_stays_nullable() -> None:
    tightened: Snapshot = {"users": {"id": NEEDED, "nickname": DEFAULTED}}
    (line,) = found((step("0001", "0.1.0"), FIRST), (step("0002", "0.2.0"), tightened))
    assert "0002 makes users.nickname NOT NULL" in line


def test_what_is_retired_is_there_and_need_not_be_written() -> None:
    lines = found((step("0001", "0.1.0", retires=("users.absent", "users.id")), FIRST))
    assert lines[0] == "0001 retires users.absent, which is not there"
    assert lines[1].startswith("0001 retires users.id, which is NOT NULL without a default")


def test_a_drop_that_is_named_and_not_done_is_refused() -> None:
    (line,) = found((step("0001", "0.1.0", drops=("users.nickname",)), FIRST))
    assert line == "0001 names users.nickname in `drops` and does not drop it"


UNIQUE = AddIndex("logs", IndexModel([("traceId", 1)], name="by_trace", unique=True))
DROPPED = DropIndex("logs", IndexModel([("level", 1)], name="by_level"))
RULES = SetValidator("logs", {"required": ["level"]}, {})


def test_the_migrations_of_mongodb_break_nothing() -> None:
    assert list(of_mongo(mongo_steps())) == []


@pytest.mark.parametrize("change", [UNIQUE, DROPPED, RULES])
def test_what_older_code_cannot_live_with_needs_code_of_an_earlier_release(change: Change) -> None:
    first = Migration(1, "", "0.1.0", (AddIndex("logs", IndexModel([("level", 1)], name="by_level")),))
    (line,) = of_mongo([first, Migration(2, "", "0.2.0", (change,))])
    assert "which code of the release before 0.2.0 does not know" in line
    assert list(of_mongo([first, Migration(2, "", "0.2.0", (change,), needs=1)])) == []
    (line,) = of_mongo([first, Migration(2, "", "0.2.0", ()), Migration(3, "", "0.2.0", (change,), needs=2)])
    assert "of MongoDB" in line


def test_a_rule_that_goes_and_an_index_that_is_added_break_nothing() -> None:
    first = Migration(1, "", "0.1.0", (RULES,))
    looser = SetValidator("logs", {}, RULES.validator)
    added = AddIndex("logs", IndexModel([("traceId", 1)], name="by_trace"))
    assert list(of_mongo([first, Migration(2, "", "0.2.0", (looser, added))])) == []
