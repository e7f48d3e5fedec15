"""Checks run at the same time, and one that fails or hangs is a finding."""

import asyncio

from ops.doctor.examination import Check, examine, in_thread
from ops.doctor.finding import Finding, Severity, note

NOTE = note("sound", "a note", "do nothing")


async def _sound() -> list[Finding]:
    return [NOTE]


async def test_a_check_that_fails_is_a_finding_and_the_others_are_kept() -> None:
    async def fails() -> list[Finding]:
        raise PermissionError("no SELECT on pg_settings")

    failed, kept = await examine([Check("sql", fails), Check("sound", _sound)])
    assert (failed.check, failed.severity) == ("sql", Severity.WARNING)
    assert "no SELECT on pg_settings" in failed.problem
    assert kept == NOTE


async def test_a_check_that_hangs_is_a_finding_at_its_deadline() -> None:
    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    late, kept = await examine([Check("redis", hangs), Check("sound", _sound)], 0.05)
    assert (late.check, late.severity) == ("redis", Severity.ERROR)
    assert kept == NOTE


async def test_checks_run_at_the_same_time() -> None:
    barrier = asyncio.Barrier(2)

    async def meets() -> list[Finding]:
        await barrier.wait()
        return []

    assert await examine([Check("one", meets), Check("two", meets)]) == []


async def test_a_failure_in_a_thread_is_raised_in_the_check() -> None:
    def work(found: list[Finding]) -> None:
        found.append(NOTE)
        raise OSError("the driver failed")

    (finding,) = await examine([Check("sql", lambda: in_thread(work))])
    assert "the driver failed" in finding.problem
