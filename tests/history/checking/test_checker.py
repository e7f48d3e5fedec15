"""The checker finds what cannot be and nothing else: on histories made by hand, and on those of a correct model."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.checking.checker import STATED_AGE_SECONDS, Kind, Operation, Outcome, Rule, counts, told, violations
from tests.history.checking.model import Modeled, histories

ACCEPTED, REFUSED, FAILED = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.FAILED
CONFIRMED, UNCONFIRMED, UNKNOWN = Outcome.CONFIRMED, Outcome.UNCONFIRMED, Outcome.UNKNOWN
CHOICES = settings(deadline=None, derandomize=True, database=None)


def check(invoked: float, returned: float, outcome: Outcome, session: str = "s") -> Operation:
    return Operation("check-1", Kind.CHECK, session, invoked, returned, outcome)


def revoke(invoked: float, returned: float, outcome: Outcome, session: str = "s") -> Operation:
    return Operation("revoke-1", Kind.REVOKE, session, invoked, returned, outcome)


def rules(*history: Operation, age: float = STATED_AGE_SECONDS) -> list[Rule]:
    return [violation.rule for violation in violations(history, age=age)]


def test_after_a_confirmed_revocation_nobody_may_be_accepted() -> None:
    assert rules(revoke(1, 2, CONFIRMED), check(2.1, 2.2, ACCEPTED)) == [Rule.BELIEVED_AFTER_CONFIRMED]
    assert rules(revoke(1, 2, CONFIRMED), check(2.1, 2.2, REFUSED)) == []


def test_while_a_revocation_is_under_way_either_answer_is_right() -> None:
    """What counts is when the check was invoked, not when it returned."""
    for outcome in (ACCEPTED, REFUSED):
        assert rules(revoke(1, 2, CONFIRMED), check(2, 5, outcome)) == []
        assert rules(revoke(1, 2, CONFIRMED), check(0, 1.1, outcome)) == []


def test_after_an_unconfirmed_revocation_a_session_is_believed_for_the_stated_age_and_no_longer() -> None:
    revoked = revoke(1, 2, UNCONFIRMED)
    assert rules(revoked, check(32, 33, ACCEPTED)) == []
    assert rules(revoked, check(32.1, 33, ACCEPTED)) == [Rule.BELIEVED_PAST_AGE]
    assert rules(revoked, check(3.1, 3.2, ACCEPTED), age=1) == [Rule.BELIEVED_PAST_AGE]


def test_a_confirmation_counts_whatever_else_was_answered() -> None:
    history = revoke(1, 2, UNCONFIRMED), revoke(3, 4, CONFIRMED), check(5, 6, ACCEPTED)
    assert rules(*history) == [Rule.BELIEVED_AFTER_CONFIRMED]


def test_a_session_that_nobody_revoked_must_not_be_refused() -> None:
    assert rules(check(1, 2, REFUSED)) == [Rule.REFUSED_UNREVOKED]
    assert rules(revoke(3, 4, CONFIRMED), check(1, 2, REFUSED)) == [Rule.REFUSED_UNREVOKED]
    assert rules(revoke(3, 4, CONFIRMED, "another"), check(5, 6, REFUSED)) == [Rule.REFUSED_UNREVOKED]


def test_a_check_that_failed_says_nothing() -> None:
    history = [check(1, 2, FAILED), revoke(3, 4, CONFIRMED), check(5, math.inf, FAILED)]
    assert rules(*history) == []
    assert counts(history)[Kind.CHECK, FAILED] == 2


def test_a_revocation_of_unknown_outcome_may_not_have_been_made() -> None:
    unknown = revoke(1, 2, UNKNOWN)
    assert rules(unknown, check(100, 101, ACCEPTED)) == []
    assert rules(unknown, check(100, 101, REFUSED)) == []


def test_once_a_check_has_shown_that_it_was_made_the_stated_age_runs() -> None:
    unknown = revoke(1, math.inf, UNKNOWN)
    assert rules(unknown, check(3, 4, REFUSED), check(34, 35, ACCEPTED)) == []
    assert rules(unknown, check(3, 4, REFUSED), check(34.1, 35, ACCEPTED)) == [Rule.CAME_BACK]


def test_a_session_that_was_refused_for_no_reason_must_not_come_back_either() -> None:
    assert rules(check(1, 2, REFUSED), check(3, 4, ACCEPTED)) == [Rule.REFUSED_UNREVOKED, Rule.CAME_BACK]


def test_each_session_is_judged_by_itself() -> None:
    history = revoke(1, 2, CONFIRMED, "a"), check(3, 4, ACCEPTED, "b"), check(3, 4, REFUSED, "a")
    assert rules(*history) == []


def test_a_violation_shows_the_operations_around_it() -> None:
    history = [check(0, 0.005, ACCEPTED), revoke(0.01, 0.02, CONFIRMED), check(0.03, 0.0345, ACCEPTED)]
    unrelated = [check(0.01, 0.02, ACCEPTED, "another")]
    assert told(violations(history + unrelated)).splitlines() == [
        "violations: 1",
        "",
        "a session was accepted after its revocation was confirmed",
        "       invoked     returned  client      operation  outcome",
        "        0.0 ms       5.0 ms  check-1     check      accepted",
        "       10.0 ms      20.0 ms  revoke-1    revoke     confirmed    because of this",
        ">      30.0 ms      34.5 ms  check-1     check      accepted     must not be",
    ]


def test_a_violation_shows_the_revocation_however_long_ago_it_was() -> None:
    history = [revoke(0, 1, CONFIRMED), *(check(at, at + 0.5, REFUSED) for at in range(2, 50)), check(60, 61, ACCEPTED)]
    (violation,) = violations(history)
    assert violation.because is history[0]
    assert len(str(violation).splitlines()) == 2 + 1 + 6 + 1


@CHOICES
@given(histories())
def test_what_a_correct_model_does_is_no_violation(modeled: Modeled) -> None:
    assert violations(modeled.history, age=modeled.age) == []


@CHOICES
@given(histories(), st.floats(0.001, 100))
def test_an_accepted_check_after_the_last_permitted_moment_is_always_found(modeled: Modeled, later: float) -> None:
    """The mutation: a session is believed where the model forbids it."""
    forbidden_from = modeled.forbidden_from()
    invoked = forbidden_from + later
    mutation = check(invoked, invoked + 1, ACCEPTED)
    found = violations([*modeled.history, mutation], age=modeled.age)
    expected = [] if math.isinf(forbidden_from) else [mutation]
    assert [violation.operation for violation in found] == expected


@CHOICES
@given(histories(), st.floats(0.001, 1))
def test_a_refusal_before_anybody_revoked_is_always_found(modeled: Modeled, earlier: float) -> None:
    """The mutation: a session is refused before its revocation was invoked, or although there is none."""
    returned = min((each.invoked for each in modeled.history if each.kind is Kind.REVOKE), default=0) - earlier
    mutation = check(returned - 1, returned, REFUSED)
    found = violations([*modeled.history, mutation], age=modeled.age)
    assert mutation in [violation.operation for violation in found]


@CHOICES
@given(histories(revocation=CONFIRMED), st.data())
def test_an_answer_turned_round_after_a_confirmed_revocation_is_always_found(
    modeled: Modeled, data: st.DataObject
) -> None:
    (revoked,) = [each for each in modeled.history if each.kind is Kind.REVOKE]
    late = [
        at for at, each in enumerate(modeled.history) if each.kind is Kind.CHECK and each.invoked > revoked.returned
    ]
    if not late:
        return
    at = data.draw(st.sampled_from(late))
    mutated = list(modeled.history)
    mutated[at] = replace(mutated[at], outcome=ACCEPTED)
    assert [violation.operation for violation in violations(mutated, age=modeled.age)] == [mutated[at]]


@pytest.mark.parametrize("outcome", [CONFIRMED, UNCONFIRMED, UNKNOWN])
def test_the_model_makes_histories_of_every_kind(outcome: Outcome) -> None:
    """Nothing above passes for want of cases."""
    seen: set[Outcome] = set()

    @CHOICES
    @given(histories(revocation=outcome))
    def look(modeled: Modeled) -> None:
        seen.update(each.outcome for each in modeled.history)

    look()
    assert seen == {ACCEPTED, REFUSED, FAILED, outcome}
