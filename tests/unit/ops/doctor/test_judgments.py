"""What `trivet doctor` says about versions, clocks, secrets, disks and open files."""

import secrets
from datetime import date
from pathlib import Path

import pytest

from ops.doctor import clocks, disk, end_of_life, processes, weak_secrets
from ops.doctor.finding import Finding, Severity, error, note, status_of, warning

TODAY = date(2026, 6, 1)
FULL = "process_open_fds 990.0\nprocess_max_fds 1000.0\n"


def _severity(found: list[Finding]) -> str:
    return found[0].severity.value if found else ""


@pytest.mark.parametrize(
    ("engine", "version", "severity"),
    [
        ("MySQL", "8.0.36", "warning"),
        ("MySQL", "8.4.5", ""),
        ("MySQL", "5.6.51", "warning"),
        ("MySQL", "9.7.0", ""),
        ("MariaDB", "10.6.22-MariaDB-log", "note"),
        ("MariaDB", "10.11.19-MariaDB-0+deb12u1", ""),
        ("PostgreSQL", "13.21", "warning"),
        ("PostgreSQL", "9.6", "warning"),
        ("PostgreSQL", "17.5", ""),
        ("Redis", "7.0.15", "warning"),
        ("Redis", "7.2.4", ""),
        ("Redis", "4.0.14", "warning"),
        ("Valkey", "8.1.1", ""),
        ("MongoDB", "6.0.27", "warning"),
        ("MongoDB", "8.0.4", ""),
        ("TiDB", "8.0.11-TiDB-v8.5.0", ""),
        ("MySQL", "unknown", ""),
    ],
)
def test_a_version_is_judged_by_its_last_day(engine: str, version: str, severity: str) -> None:
    assert _severity(end_of_life.judge(engine, version, TODAY)) == severity


@pytest.mark.parametrize(
    ("ahead", "uncertain", "severity"),
    [(1.9, 0, ""), (2.5, 0, "warning"), (-2.5, 0, "warning"), (2.5, 1, ""), (29, 0, "warning"), (-31, 0, "error")],
)
def test_a_clock_is_judged_by_what_it_differs_at_least(ahead: float, uncertain: float, severity: str) -> None:
    assert _severity(clocks.judge("Redis", ahead, uncertain)) == severity


@pytest.mark.parametrize(
    ("secret", "is_weak"),
    [
        (
            "8f915cbb6e60dbbd227ad62e7620bc6c4db4d58a32588dd8c5db6cdf70cab5c0",
            False,
        ),  # fixed: all workers must collect the same tests
        ("tWiYkbv7uu9cs7VfLChxkSKdh0zRRjubQzywWi4mPHQ", False),
        ("", False),
        ("this-is-our-Password-of-the-site-2026", True),
        ("xk3mq-0123456789-zzrtw-88172-bvnmp", True),
        ("hgfedcba-9f1ce04d7a55b2e8c6d1a03f", True),
        ("9f1ce04d7a55b2e8" * 3, True),
    ],
)
def test_a_secret_is_weak_if_it_can_be_guessed(secret: str, is_weak: bool) -> None:
    why = weak_secrets.weakness(secret)
    assert bool(why) is is_weak
    assert not secret or secret not in why


async def test_a_weak_secret_and_an_open_file_are_found_without_their_values(tmp_path: Path) -> None:
    weak = "the-secret-of-our-site-0123456789"
    file = tmp_path / "secret"
    file.write_text(secrets.token_hex(32))
    file.chmod(0o644)
    environ = {"TRIVET_SECRET": weak, "TRIVET_SECRETS_OLD": f"{secrets.token_hex(32)},{weak}"}
    found = await weak_secrets.of_cookies(environ, tmp_path)
    assert [each.severity.value for each in found] == ["error", "error", "warning"]
    assert "value 2 of TRIVET_SECRETS_OLD" in found[1].problem
    assert not any(weak in each.problem + each.remedy for each in found)
    file.chmod(0o600)
    assert await weak_secrets.of_cookies({"TRIVET_SECRET": secrets.token_hex(32)}, tmp_path) == []


@pytest.mark.parametrize(
    ("address", "severity"),
    [
        ("postgresql://app:7d95394f21b68ff17cb9c77ada0daf0f@db/app", ""),
        ("postgresql://app:changeme-now-please@db/app", "warning"),
        ("postgresql://keycloak:keycloak-9173aa@db/app", "warning"),
        ("mysql://app:x7!q@db/app", "warning"),
        ("redis://cache:6379/0", "note"),
        ("sqlite:////data/trivet.db", ""),
        ("", ""),
    ],
)
async def test_a_password_of_a_store_is_judged(address: str, severity: str) -> None:
    assert _severity(await weak_secrets.of_stores({"DATABASE_URL": address})) == severity


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [(50, 100, ""), (9, 100, "warning"), (1, 4, "warning"), (25, 1_000, ""), (0.1, 100, "error"), (0, 0, "")],
)
def test_a_disk_is_judged_by_its_free_space(free: float, total: float, severity: str) -> None:
    assert _severity(disk.judge("/data", free * disk.GIB, total * disk.GIB)) == severity


async def test_the_disk_of_a_folder_that_does_not_exist_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    found = await disk.free_space(tmp_path / "not" / "yet")
    assert all("not/yet" not in each.problem for each in found)


def test_a_process_with_most_of_its_files_open_is_found() -> None:
    (finding,) = processes.open_files("cache", FULL)
    assert finding.problem == "cache has 990 of 1,000 files open"
    assert processes.open_files("cache", FULL.replace("990.0", "500.0")) == []
    assert processes.open_files("cache", "") == []


def test_the_exit_status_is_that_of_the_worst_finding() -> None:
    texts = ("check", "problem", "remedy")
    assert status_of([]) == 0
    assert status_of([note(*texts)]) == 0
    assert status_of([warning(*texts), note(*texts)]) == 1
    assert status_of([note(*texts), error(*texts), warning(*texts)]) == 2
    assert [severity.status for severity in Severity] == [2, 1, 0]
