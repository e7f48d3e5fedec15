"""A session, its revocation and two readers with copies that behave as promised, and every history they can make."""

import math
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.history.checking.checker import Kind, Operation, Outcome

READERS = 2
REVOCATIONS = (Outcome.CONFIRMED, Outcome.UNCONFIRMED, Outcome.UNKNOWN)

moments = st.integers(0, 60).map(float)
spans = st.integers(0, 5).map(float)


@dataclass(frozen=True)
class Modeled:
    """A history of one session, in which an unconfirmed revocation is believed for `age` seconds at most."""

    history: list[Operation]
    age: float

    def forbidden_from(self) -> float:
        """Return from when on no check may be accepted, as far as the history shows; infinite if it does not."""
        ends = [math.inf]
        for each in self.history:
            if each.outcome is Outcome.CONFIRMED:
                ends.append(each.returned)
            elif each.outcome is Outcome.UNCONFIRMED or each.outcome is Outcome.REFUSED:
                ends.append(each.returned + self.age)
        return min(ends)


@dataclass(frozen=True)
class _Revocation:
    """When it was made in the database (never, if infinite), and when each reader dropped its copy."""

    operation: Operation
    made: float
    dropped: tuple[float, ...]


@st.composite
def _revocations(draw: st.DrawFn, outcome: Outcome, age: float) -> _Revocation:
    invoked = draw(moments)
    made = invoked + draw(spans)
    if outcome is Outcome.UNKNOWN:
        made = draw(st.sampled_from((made, math.inf)))
        returned = invoked + draw(spans)
        dropped = tuple(made + draw(st.integers(0, int(age))) for _ in range(READERS))
    elif outcome is Outcome.UNCONFIRMED:
        returned = made + draw(spans)
        dropped = tuple(made + draw(st.integers(0, int(age))) for _ in range(READERS))
    else:
        dropped = tuple(made + min(draw(spans), age) for _ in range(READERS))
        returned = max(dropped) + draw(spans)
    return _Revocation(Operation("revoke-1", Kind.REVOKE, "s", invoked, returned, outcome), made, dropped)


@st.composite
def _checks(draw: st.DrawFn, revocation: _Revocation | None) -> Operation:
    """A check by some reader, decided at some moment between its two times as what is then true allows."""
    reader, decided = draw(st.integers(0, READERS - 1)), draw(moments)
    made = revocation.made if revocation else math.inf
    dropped = revocation.dropped[reader] if revocation else math.inf
    if decided < made:
        right: tuple[Outcome, ...] = (Outcome.ACCEPTED,)
    elif decided < dropped:
        right = (Outcome.ACCEPTED, Outcome.REFUSED)  # from its copy, or past it
    else:
        right = (Outcome.REFUSED,)
    outcome = draw(st.sampled_from((*right, Outcome.FAILED)))
    return Operation(f"check-{reader}", Kind.CHECK, "s", decided - draw(spans), decided + draw(spans), outcome)


@st.composite
def histories(draw: st.DrawFn, revocation: Outcome | None = None) -> Modeled:
    """A history of one session with one revocation of a given outcome; without one given, any, or none at all."""
    age = float(draw(st.integers(0, 20)))
    outcome = revocation or draw(st.sampled_from((*REVOCATIONS, None)))
    made = draw(_revocations(outcome, age)) if outcome else None
    checks = draw(st.lists(_checks(made), max_size=12))
    history = [*checks, *([made.operation] if made else [])]
    return Modeled(draw(st.permutations(history)), age)
