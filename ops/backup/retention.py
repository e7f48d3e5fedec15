"""Which backups are kept: the newest of each day, week and month, as many as the operator wants."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ops.backup.manifest import time_of
from ops.errors import WrongSettings

PERIODS: dict[str, Callable[[datetime], object]] = {
    "hourly": lambda time: (time.date(), time.hour),
    "daily": datetime.date,
    "weekly": lambda time: time.isocalendar()[:2],
    "monthly": lambda time: (time.year, time.month),
    "yearly": lambda time: time.year,
}
RULE = re.compile(r"(\d{1,4}) (\w+)")
DEFAULT = "7 daily, 4 weekly, 12 monthly"

Rules = Sequence[tuple[int, str]]


def rules_in(text: str) -> Rules:
    """Read what to keep, as in `7 daily, 4 weekly`. Raises WrongSettings for what is none of it, or keeps nothing."""
    found = [RULE.fullmatch(each.strip()) for each in text.split(",")]
    rules = [(int(match[1]), match[2]) for match in found if match is not None and match[2] in PERIODS]
    if len(rules) < len(found) or not any(count for count, _ in rules):
        raise WrongSettings(
            f"{text!r} does not say what to keep: write numbers of {', '.join(PERIODS)}, as in {DEFAULT!r}"
        )
    return rules


def kept(backup_ids: Iterable[str], rules: Rules) -> set[str]:
    """Return the backups that the rules keep. The newest one is always among them.

    A period without a backup does not count: after a pause of a month the last seven days with backups are kept.
    """
    newest_first = sorted(backup_ids, reverse=True)
    found = set(newest_first[:1])
    for count, name in rules:
        periods: dict[object, str] = {}
        for backup_id in newest_first:
            periods.setdefault(PERIODS[name](time_of(backup_id)), backup_id)
        found.update(list(periods.values())[:count])
    return found
