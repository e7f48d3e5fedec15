"""What a recorded history of session checks and revocations says that cannot be."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

STATED_AGE_SECONDS = 30.0
"""How long a session may be believed at most once a revocation has been answered and not confirmed."""

AROUND = 6
"""How many operations of the session a violation shows before the one that is wrong, and behind it."""


class Kind(Enum):
    """What a client asked for."""

    SIGN_IN = "sign-in"
    CHECK = "check"
    REVOKE = "revoke"


class Outcome(Enum):
    """What came of it.

    A check is accepted, refused or failed (an error, which says nothing of the session). A revocation that was answered
    is confirmed or unconfirmed; of one that was not, nobody knows whether it was made.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    UNKNOWN = "unknown"


class Rule(Enum):
    """The promises, by how each is broken."""

    BELIEVED_AFTER_CONFIRMED = "a session was accepted after its revocation was confirmed"
    BELIEVED_PAST_AGE = "a session was accepted past the stated age of its revocation"
    CAME_BACK = "a session that had been refused was accepted again"
    REFUSED_UNREVOKED = "a session that nobody had revoked was refused"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a client asked for: seconds of one monotonic clock, `returned` infinite if it never did.

    `detail` is what a failure said.
    """

    client: str
    kind: Kind
    session: str
    invoked: float
    returned: float
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Violation:
    """An operation whose outcome breaks a rule, the one that it follows from, and those of the session around it."""

    rule: Rule
    operation: Operation
    because: Operation | None
    around: tuple[Operation, ...]
    began: float

    def __str__(self) -> str:
        header = _row("", "invoked", "returned", "client", "operation", "outcome")
        return "\n".join((self.rule.value, header, *self._rows()))

    def _rows(self) -> Iterator[str]:
        for operation in self.around:
            mark, note = "", operation.detail
            if operation is self.operation:
                mark, note = ">", "must not be"
            elif operation is self.because:
                note = "because of this"
            times = (self._time(operation.invoked), self._time(operation.returned))
            yield _row(mark, *times, operation.client, operation.kind.value, operation.outcome.value, note)

    def _time(self, seconds: float) -> str:
        return "never" if math.isinf(seconds) else f"{(seconds - self.began) * 1_000:.1f} ms"


def _row(mark: str, *columns: str) -> str:
    invoked, returned, client, kind, outcome, note = (*columns, "")[:6]
    return f"{mark:1} {invoked:>12} {returned:>12}  {client:10}  {kind:9}  {outcome:12} {note}".rstrip()


def violations(history: Iterable[Operation], *, age: float = STATED_AGE_SECONDS) -> list[Violation]:
    """Return what in a history breaks a rule, each operation once, in the order of time.

    A check counts as made anywhere between its two times, so it breaks a rule only if every moment of it would. `age`
    is how many seconds a session may be believed once its revocation was answered unconfirmed.
    """
    of_session: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        of_session[operation.session].append(operation)
    found = [each for operations in of_session.values() for each in _Session(operations, age).violations()]
    return sorted(found, key=lambda violation: violation.operation.invoked)


def counts(history: Iterable[Operation]) -> Counter[tuple[Kind, Outcome]]:
    """Return how many operations of each kind had each outcome."""
    return Counter((operation.kind, operation.outcome) for operation in history)


def told(found: Sequence[Violation], *, most: int = 3) -> str:
    """Return the first violations as tables, for a test's message."""
    return "\n\n".join((f"violations: {len(found)}", *map(str, found[:most])))


class _Session:
    """The operations of one session."""

    def __init__(self, operations: Iterable[Operation], age: float) -> None:
        self._age = age
        self._operations = sorted(operations, key=lambda operation: (operation.invoked, operation.returned))
        self._checks = [each for each in self._operations if each.kind is Kind.CHECK]
        self._revocations = [each for each in self._operations if each.kind is Kind.REVOKE]
        self._first_refused = _first(each for each in self._checks if each.outcome is Outcome.REFUSED)
        self._first_confirmed = _first(each for each in self._revocations if each.outcome is Outcome.CONFIRMED)
        self._first_unconfirmed = _first(each for each in self._revocations if each.outcome is Outcome.UNCONFIRMED)

    def violations(self) -> Iterator[Violation]:
        for check in self._checks:
            if check.outcome is Outcome.ACCEPTED and (broken := self._why_not_accepted(check.invoked)):
                yield self._violation(*broken, check)
            elif check.outcome is Outcome.REFUSED and not self._may_be_refused(check):
                yield self._violation(Rule.REFUSED_UNREVOKED, None, check)

    def _may_be_refused(self, check: Operation) -> bool:
        return any(revocation.invoked < check.returned for revocation in self._revocations)

    def _why_not_accepted(self, invoked: float) -> tuple[Rule, Operation] | None:
        """Return what forbids that a check invoked then is accepted."""
        confirmed, unconfirmed, refused = self._first_confirmed, self._first_unconfirmed, self._first_refused
        if confirmed and confirmed.returned < invoked:
            return Rule.BELIEVED_AFTER_CONFIRMED, confirmed
        if unconfirmed and unconfirmed.returned + self._age < invoked:
            return Rule.BELIEVED_PAST_AGE, unconfirmed
        if refused and refused.returned + self._copies_live(refused, invoked) < invoked:
            return Rule.CAME_BACK, refused
        return None

    def _copies_live(self, refused: Operation, invoked: float) -> float:
        """Return for how long after a refusal another reader may still hold a copy: not at all if nobody may.

        Somebody may while a revocation that explains the refusal is under way or was not confirmed.
        """
        explained = any(
            each.invoked < refused.returned and (each.outcome is not Outcome.CONFIRMED or invoked <= each.returned)
            for each in self._revocations
        )
        return self._age if explained else 0.0

    def _violation(self, rule: Rule, because: Operation | None, check: Operation) -> Violation:
        at = next(index for index, each in enumerate(self._operations) if each is check)
        near = range(at - AROUND, at + AROUND + 1)
        around = tuple(
            each
            for index, each in enumerate(self._operations)
            if index in near or each is because or each.kind is not Kind.CHECK
        )
        return Violation(rule, check, because, around, self._operations[0].invoked)


def _first(operations: Iterable[Operation]) -> Operation | None:
    """Return the operation that returned first, None if there is none."""
    return min(operations, key=lambda operation: operation.returned, default=None)
