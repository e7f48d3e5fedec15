"""Versions of engines whose makers have ended their support, or will end it soon."""

import re
from collections.abc import Mapping
from datetime import date, timedelta

from ops.doctor.finding import Finding, note, warning

CHECK = "engine versions"
SOON = timedelta(days=90)

LAST_DAY: Mapping[str, Mapping[str, date]] = {
    # Oracle's lifetime support policy. An innovation release ends with the next release.
    "MySQL": {
        "5.7": date(2023, 10, 31),
        "8.0": date(2026, 4, 30),
        "8.1": date(2023, 10, 25),
        "8.2": date(2023, 12, 14),
        "8.3": date(2024, 4, 10),
        "8.4": date(2032, 4, 30),
        "9.0": date(2024, 10, 15),
        "9.1": date(2025, 1, 21),
        "9.2": date(2025, 4, 15),
        "9.3": date(2025, 7, 22),
        "9.4": date(2025, 10, 21),
        "9.5": date(2026, 1, 20),
        "9.6": date(2026, 4, 21),
    },
    # mariadb.org/about, "maintenance policy".
    "MariaDB": {
        "10.5": date(2025, 6, 24),
        "10.6": date(2026, 7, 6),
        "10.7": date(2023, 2, 9),
        "10.8": date(2023, 5, 20),
        "10.9": date(2023, 8, 22),
        "10.10": date(2023, 11, 17),
        "10.11": date(2028, 2, 16),
        "11.0": date(2024, 6, 6),
        "11.1": date(2024, 8, 21),
        "11.2": date(2024, 11, 21),
        "11.3": date(2024, 5, 29),
        "11.4": date(2029, 5, 29),
        "11.5": date(2024, 11, 21),
        "11.6": date(2025, 2, 13),
        "11.7": date(2025, 5, 12),
        "11.8": date(2028, 6, 4),
        "12.0": date(2025, 11, 18),
        "12.1": date(2026, 2, 13),
        "12.2": date(2026, 5, 13),
    },
    # postgresql.org/support/versioning.
    "PostgreSQL": {
        "13": date(2025, 11, 13),
        "14": date(2026, 11, 12),
        "15": date(2027, 11, 11),
        "16": date(2028, 11, 9),
        "17": date(2029, 11, 8),
        "18": date(2030, 11, 14),
    },
    # github.com/redis/redis/security names the supported versions; it gives no dates ahead.
    "Redis": {
        "5.0": date(2022, 4, 27),
        "6.0": date(2022, 5, 31),
        "7.0": date(2024, 7, 29),
        "8.0": date(2026, 2, 11),
    },
    # valkey.io/topics/releases, "extended security support".
    "Valkey": {
        "7.2": date(2029, 4, 16),
        "8.0": date(2027, 9, 15),
        "8.1": date(2030, 3, 31),
        "9.0": date(2028, 10, 21),
    },
    # mongodb.com/legal/support-policy/lifecycles.
    "MongoDB": {
        "4.4": date(2024, 2, 29),
        "5.0": date(2024, 10, 31),
        "6.0": date(2025, 7, 31),
        "7.0": date(2027, 8, 31),
        "8.0": date(2029, 10, 31),
        "8.1": date(2025, 9, 30),
        "8.2": date(2026, 7, 31),
    },
}
"""The last day of support by engine and release, as the makers' pages said in May 2026. A release that is not listed is
not judged, unless it is older than all that are."""


def judge(engine: str, version: str, today: date) -> list[Finding]:
    """Return the finding about a server's version, if any. An engine that is not in the table has none."""
    releases = LAST_DAY.get(engine)
    if releases is None:
        return []
    release = _release(version, releases)
    if release is None:
        return []
    remedy = f"upgrade {engine} to a release that its makers support"
    if _numbers(release) < min(map(_numbers, releases)):
        return [warning(CHECK, f"{engine} {version} is end of life for years", remedy)]
    last = releases.get(release)
    if last is None or today + SOON <= last:
        return []
    if today <= last:
        return [note(CHECK, f"{engine} {version} is end of life from {last}", remedy)]
    return [warning(CHECK, f"{engine} {version} is end of life since {last}", remedy)]


def _release(version: str, releases: Mapping[str, date]) -> str | None:
    """Return the release that a version belongs to: PostgreSQL's has one number, the others' have two."""
    numbers = re.findall(r"\d+", version)
    parts = max(len(_numbers(release)) for release in releases)
    return ".".join(numbers[:parts]) if len(numbers) >= parts else None


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
