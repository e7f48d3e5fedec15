"""What a check finds: its severity, the problem and the remedy."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad a finding is. The value is its name in the output."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def status(self) -> int:
        """The exit status that a finding of this severity causes."""
        return {"error": 2, "warning": 1, "note": 0}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. `check` names the check that found it. Neither text contains a secret."""

    check: str
    severity: Severity
    problem: str
    remedy: str


def error(check: str, problem: str, remedy: str) -> Finding:
    """Return a finding of something that fails, or will be used by an attacker."""
    return Finding(check, Severity.ERROR, problem, remedy)


def warning(check: str, problem: str, remedy: str) -> Finding:
    """Return a finding of something that works, and should be changed."""
    return Finding(check, Severity.WARNING, problem, remedy)


def note(check: str, problem: str, remedy: str) -> Finding:
    """Return a finding that needs no change."""
    return Finding(check, Severity.NOTE, problem, remedy)


def status_of(findings: list[Finding]) -> int:
    """Return the exit status: 2 if there is an error, 1 if there is a warning, else 0."""
    return max((each.severity.status for each in findings), default=0)
