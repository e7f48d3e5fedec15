"""Users whose email addresses differ only in spelling: only the oldest is imported."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ops.identity.importing.source.values import words

NEVER = datetime.max.replace(tzinfo=UTC)

Candidate = tuple[Any, Any, Any]
"""A user's id, email address and time of creation, as the table has them."""


def younger_duplicates(read: Callable[[], Iterable[Candidate]], created: Callable[[Any], datetime | None]) -> set[Any]:
    """Return the ids of users with an older duplicate: a user whose normalized email address is the same.

    `read` yields all users. It is called twice, so that only hashes are in memory for most of them. `created` raises
    ValueError for an unreadable time. A user with an unreadable time, or without a time, counts as the youngest.
    """
    seen: set[int] = set()
    double: set[int] = set()
    for _, email, _ in read():
        key = hash(_normal(email))
        (double if key in seen else seen).add(key)
    if not double:
        return set()
    by_email: dict[str, list[tuple[bool, datetime, str, Any]]] = {}
    for user_id, email, time in read():
        normal = _normal(email)
        if normal and hash(normal) in double:
            known = _known(created, time)
            by_email.setdefault(normal, []).append((known is None, known or NEVER, str(user_id), user_id))
    found: set[Any] = set()
    for same in by_email.values():
        oldest, *others = sorted(same, key=lambda each: each[:3])
        found |= {user_id for *_, user_id in others} - {oldest[3]}
    return found


def _normal(email: Any) -> str:
    try:
        return str(words(email) or "").strip().lower()
    except ValueError:  # reported when its row is read
        return ""


def _known(created: Callable[[Any], datetime | None], time: Any) -> datetime | None:
    try:
        return created(time)
    except ValueError:
        return None
