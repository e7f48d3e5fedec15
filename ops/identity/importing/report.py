"""The report of an import or an export: counts, and the reasons for skipped rows and lost values."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ops.output import as_json, plain, table

EXAMPLES = 5


@dataclass
class Report:
    """Counts by table and outcome, and reasons with the ids of some rows. It never has email addresses or names."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    remarks: list[str] = field(default_factory=list)
    """How values were interpreted. The operator must check these."""

    def count(self, of: str, outcome: str, number: int = 1) -> None:
        if number:
            self.counts[of, outcome] += number

    def skip(self, of: str, reason: str, row_id: object, number: int = 1) -> None:
        """Count skipped rows, with the reason."""
        self.count(of, "skipped", number)
        self.note(of, reason, row_id, number)

    def note(self, of: str, reason: str, row_id: object, number: int = 1) -> None:
        """Add a reason for a lost value of a row that was not skipped."""
        self.reasons[of, reason] += number
        if row_id is not None and len(self.examples[of, reason]) < EXAMPLES:
            self.examples[of, reason].append(str(row_id)[:64])

    def add(self, other: "Report") -> None:
        self.counts.update(other.counts)
        self.reasons.update(other.reasons)
        for key, ids in other.examples.items():
            self.examples[key] = (self.examples[key] + ids)[:EXAMPLES]

    def clear(self) -> None:
        self.counts.clear()
        self.reasons.clear()
        self.examples.clear()

    def show(self, *, json: bool) -> None:
        """Print the report."""
        if json:
            as_json({"counts": self._counted(), "reasons": self._reasons(), "remarks": self.remarks})
            return
        rows = [(of, outcome, f"{number:,}") for (of, outcome), number in sorted(self.counts.items())]
        table(("TABLE", "OUTCOME", "ROWS"), rows)
        if self.reasons:
            print()
            why = [(of, f"{n:,}", reason, " ".join(self.examples[of, reason])) for (of, reason), n in self._sorted()]
            table(("TABLE", "ROWS", "WHAT WAS LEFT OUT, AND WHY", "FOR EXAMPLE"), why)
        if self.remarks:
            print()
            print(*map(plain, self.remarks), sep="\n")

    def _sorted(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self.reasons.items())

    def _counted(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (of, outcome), number in sorted(self.counts.items()):
            found.setdefault(of, {})[outcome] = number
        return found

    def _reasons(self) -> list[dict[str, object]]:
        return [
            {"table": of, "reason": reason, "rows": number, "examples": self.examples[of, reason]}
            for (of, reason), number in self._sorted()
        ]
