"""`trivet db` and `trivet users`: what an operator does beside a running stack."""

from pathlib import Path

from tests.e2e.accounts import sign_in, sign_up
from tests.harness.stack import Stack, environment, trivet


def test_promote_makes_the_first_administrator(stack: Stack) -> None:
    sign_up(stack.url, "first@example.com")
    promoted = stack.run("users", "promote", "First@example.com")
    assert promoted.returncode == 0, promoted.stderr
    assert sign_in(stack.url, "first@example.com") == 200
    assert stack.run("db", "status").stdout.endswith("pending   none\n")


def test_promoting_nobody_is_one_line(stack: Stack) -> None:
    refused = stack.run("users", "promote", "nobody@example.com")
    assert refused.returncode == 1
    assert refused.stderr == ("trivet: nobody has signed up as nobody@example.com: sign up first, then promote\n")


def test_migrate_status_and_rollback_without_a_stack(data: Path) -> None:
    own = environment(data, TRIVET_HTTP_PORT="8080")
    assert "at        nothing: the database is empty" in trivet("db", "status", environment=own).stdout
    assert trivet("db", "migrate", environment=own).returncode == 0
    assert trivet("db", "status", environment=own).stdout.endswith("pending   none\n")
    rolled_back = trivet("db", "rollback", environment=own)
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "pending   none" not in rolled_back.stdout


def test_rolling_back_too_far_is_one_line(data: Path) -> None:
    refused = trivet("db", "rollback", "--steps", "99", environment=environment(data))
    assert refused.returncode == 1
    assert refused.stderr == "trivet: there are no 99 migrations to take back\n"
