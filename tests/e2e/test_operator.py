"""`trivet db` and `trivet users`: what an operator does beside a running stack."""

import asyncio
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ops.identity.identity_access import leave_it_to_the_relay, open_identity
from ops.identity.sealing import SealingSettings, sealer
from ops.stack import running
from runtime.sealing import Sealer
from services.identity.outbox.mail import Mail, MailOutbox
from services.identity.outbox.outbox import Outbox
from services.identity.store.database import Transaction
from tests.e2e.accounts import PASSWORD, sign_in, sign_up
from tests.harness.processes import ROOT, SECRET
from tests.harness.stack import Stack, environment, is_running, trivet
from tests.harness.stack import stack as another_stack
from tests.harness.waiting import eventually


def test_promote_makes_the_first_administrator(stack: Stack) -> None:
    sign_up(stack.url, "first@example.com")
    promoted = stack.run("users", "promote", "First@example.com")
    assert promoted.returncode == 0, promoted.stderr
    assert sign_in(stack.url, "first@example.com") == 200
    assert stack.run("db", "status").stdout.endswith("pending none\n")


def test_promoting_nobody_is_one_line(stack: Stack) -> None:
    refused = stack.run("users", "promote", "nobody@example.com")
    assert refused.returncode == 1
    assert refused.stderr == ("trivet: there is no user nobody@example.com: sign up first, then promote\n")


def _create(stack: Stack, *arguments: str, password: str = PASSWORD) -> "subprocess.CompletedProcess[str]":
    command = [str(ROOT / "bin/trivet"), "users", "create", *arguments]
    return subprocess.run(
        command, env=stack.environment, input=password + "\n", capture_output=True, text=True, timeout=60
    )


def _json(stack: Stack, *arguments: str) -> Any:
    done = stack.run("users", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_user_is_made_with_a_password_that_is_no_argument(stack: Stack) -> None:
    """K1: everybody on the machine can read arguments."""
    made = _create(stack, "Made@example.com", "--name", "Made", "--admin", "--json")
    assert made.returncode == 0, made.stderr
    user = json.loads(made.stdout)
    assert (user["email"], user["role"], user["email_verified"]) == ("made@example.com", "admin", False)
    assert sign_in(stack.url, "made@example.com") == 200
    again = _create(stack, "made@example.com")
    assert (again.returncode, again.stderr) == (1, "trivet: a user with this email exists already\n")
    weak = _create(stack, "weak@example.com", password="password")
    assert weak.returncode == 1
    assert "password" in weak.stderr
    refused = stack.run("users", "create", "x@example.com", "--password", "in the open")
    assert refused.returncode == 2


def test_people_are_found_banned_and_let_in_again(stack: Stack) -> None:
    sign_up(stack.url, "ban-me@example.com")
    found = _json(stack, "list", "BAN-", "--unverified", "--json")
    assert ([user["email"] for user in found["users"]], found["total"]) == (["ban-me@example.com"], 1)
    for reason in ("\x1b[2J", "two\nlines", "x" * 513):
        refused = stack.run("users", "ban", "ban-me@example.com", "--reason", reason)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert refused.stderr.startswith("trivet: reason ")
    assert sign_in(stack.url, "ban-me@example.com") == 200
    banned = stack.run("users", "ban", "ban-me@example.com", "--for", "2h", "--reason", "spam")
    assert banned.returncode == 0, banned.stderr
    assert "sessions ended: 2" in banned.stdout
    assert sign_in(stack.url, "ban-me@example.com") == 403
    (shown,) = _json(stack, "list", "ban-me", "--banned", "--json")["users"]
    assert (shown["ban_reason"], shown["ban_expires"] is None) == ("spam", False)
    table = stack.run("users", "list", "ban-me").stdout
    assert "until " in table
    assert "\x1b" not in table, "color is for terminals"
    assert stack.run("users", "unban", "ban-me@example.com").returncode == 0
    assert sign_in(stack.url, "ban-me@example.com") == 200


def test_sessions_are_listed_and_ended(stack: Stack) -> None:
    user_id = sign_up(stack.url, "sessions@example.com")
    assert sign_in(stack.url, "sessions@example.com") == 200
    both = _json(stack, "sessions", user_id, "--json")
    assert len(both) == 2
    assert not {"token", "token_hash"} & both[0].keys()
    one = stack.run("users", "revoke", "sessions@example.com", "--session", both[0]["id"])
    assert (one.returncode, one.stdout) == (0, "sessions ended: 1\n")
    assert [each["id"] for each in _json(stack, "sessions", user_id, "--json")] == [both[1]["id"]]
    again = stack.run("users", "revoke", "sessions@example.com", "--session", both[0]["id"])
    assert again.returncode == 1
    assert stack.run("users", "revoke", user_id).stdout == "sessions ended: 1\n"


@pytest.mark.parametrize(
    ("command", "who"),
    [
        ("ban", "nobody@example.com"),
        ("unban", "a" * 32),
        ("sessions", "é"),
        ("revoke", "nobody@example.com"),
        ("demote", "a" * 32),
        ("export", "nobody@example.com"),
    ],
)
def test_nobody_is_one_line_and_status_1(stack: Stack, command: str, who: str) -> None:
    refused = stack.run("users", command, who)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"trivet: there is no user {who}: ")
    assert refused.stderr.count("\n") == 1


def test_a_persons_data_comes_from_every_store_and_holds_no_secret(stack: Stack) -> None:
    user_id = sign_up(stack.url, "export@example.com")

    def has_events() -> bool:
        return bool(_json(stack, "export", user_id)["audit_events"])

    eventually(has_events, seconds=20)
    data = _json(stack, "export", "export@example.com")
    assert data["user"]["id"] == user_id
    assert data["preferences"] == []
    assert [account["provider"] for account in data["accounts"]] == ["credential"]
    assert len(data["sessions"]) == 1
    assert "missing" not in data
    text = json.dumps(data)
    for secret in ("password", "token_hash", "$argon2", 'access_token"'):
        assert secret not in text.replace("wrong password", ""), secret


def test_of_two_stacks_with_one_secret_a_command_asks_its_own(stack: Stack, tmp_path: Path) -> None:
    """Both have the secret of one clone; the other's services would say that they hold nothing of the person."""
    user_id = sign_up(stack.url, "two-stacks@example.com")
    with another_stack(tmp_path / "second") as second:
        other_id = sign_up(second.url, "second@example.com")
        for each, mine in ((stack, user_id), (second, other_id)):

            def has_events(each: Stack = each, mine: str = mine) -> bool:
                return bool(_json(each, "export", mine)["audit_events"])

            eventually(has_events, seconds=20)
        wrong = dict(second.environment, TRIVET_NOTIFICATIONS_ADDRESS=stack.addresses["notifications"])
        refused = trivet("users", "export", other_id, environment=wrong)
        assert (refused.returncode, refused.stdout) == (1, "")
        address = stack.addresses["notifications"]
        assert f"the service at {address} does not belong to the stack that runs with" in refused.stderr
    gone = trivet("users", "export", other_id, environment=second.environment)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"no stack runs with {second.environment['TRIVET_DATA']}: start it" in gone.stderr


def test_where_a_killed_stack_listened_is_not_believed(data: Path) -> None:
    """Its ports may be another stack's by now."""
    with another_stack(data) as killed:
        children = [*killed.children().values()]
        killed.process.kill()
        killed.process.wait()
        eventually(lambda: not any(map(is_running, children)), seconds=20)
    assert (data / "running.json").exists()
    eventually(lambda: running.found(data) is None, seconds=20)  # once the last of them has let go of the folder


def test_without_the_notifications_service_the_rest_comes_and_the_status_is_1(data: Path) -> None:
    own = environment(data, TRIVET_NOTIFICATIONS_ADDRESS="127.0.0.1:1")
    assert trivet("db", "migrate", environment=own).returncode == 0
    command = [str(ROOT / "bin/trivet"), "users", "create", "a@example.com"]
    subprocess.run(command, env=own, input=PASSWORD + "\n", text=True, check=True, timeout=60, capture_output=True)
    partly = trivet("users", "export", "a@example.com", environment=own)
    assert partly.returncode == 1
    assert "UNAVAILABLE" in partly.stderr
    assert "UNAVAILABLE" in json.loads(partly.stdout)["missing"]
    wholly = trivet("users", "export", "a@example.com", "--sql-only", environment=own)
    assert wholly.returncode == 0, wholly.stderr
    assert json.loads(wholly.stdout)["user"]["email"] == "a@example.com"
    [event] = json.loads(wholly.stdout)["waiting"]
    assert (event["topic"], event["is_parked"], event["data"]["happened"]) == ("audit.record", False, "signed_up")
    assert "1 mails and audit events wait for delivery to the notifications service" in wholly.stderr


def test_a_mail_on_its_way_is_exported_without_the_link_that_it_holds(data: Path) -> None:
    own = environment(data, TRIVET_NOTIFICATIONS_ADDRESS="127.0.0.1:1")
    assert trivet("db", "migrate", environment=own).returncode == 0
    command = [str(ROOT / "bin/trivet"), "users", "create", "a@example.com"]
    subprocess.run(command, env=own, input=PASSWORD + "\n", text=True, check=True, timeout=60, capture_output=True)
    asyncio.run(_put_mail(data / "trivet.db", "a@example.com", sealer(SealingSettings(secret=SecretStr(SECRET)))))
    shown = trivet("users", "export", "a@example.com", "--sql-only", environment=own)
    assert shown.returncode == 0, shown.stderr
    assert "one-time-link" not in shown.stdout
    [letter] = [each for each in json.loads(shown.stdout)["waiting"] if each["topic"] == "mail.send"]
    assert letter["data"] == {"to": "a@example.com", "topic": "account.reset-password", "title": "Reset"}


async def _put_mail(file: Path, email: str, seals: Sealer) -> None:
    async with open_identity(f"sqlite:///{file}") as identity:
        user = await identity.user(email)
        letter = Mail(user.id, email, "account.reset-password", "Reset", "Reset it", "https://x.io/one-time-link")

        async def work(transaction: Transaction) -> None:
            await MailOutbox(Outbox(identity.database, leave_it_to_the_relay), seals).put(transaction, letter)

        await identity.database.transaction("tests.mail", work)


@pytest.mark.parametrize("length", ["7", "-1d", "1.5h"])
def test_a_length_of_time_that_is_none_is_wrong_usage(data: Path, length: str) -> None:
    refused = trivet("users", "ban", "a@example.com", f"--for={length}", environment=environment(data))
    assert refused.returncode == 2
    assert "for example 30m, 12h, 7d or 2w" in refused.stderr


def test_migrate_status_and_rollback_without_a_stack(data: Path) -> None:
    own = environment(data, TRIVET_HTTP_PORT="8080")
    data.mkdir()
    (data / "trivet.db").touch()
    empty = trivet("db", "status", environment=own)
    assert (empty.returncode, "sql: at nothing, newest" in empty.stdout) == (0, True)
    checked = trivet("db", "status", "--check", environment=own)
    assert checked.returncode == 1
    assert "migrations are missing: run `trivet db migrate`" in checked.stderr
    assert trivet("db", "migrate", environment=own).returncode == 0
    assert trivet("db", "status", "--check", environment=own).stdout.endswith("pending none\n")
    rolled_back = trivet("db", "rollback", "--yes", environment=own)
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "pending none" not in rolled_back.stdout
    assert trivet("db", "status", "--check", environment=own).returncode == 1


def test_rolling_back_too_far_is_one_line(data: Path) -> None:
    own = environment(data)
    assert trivet("db", "migrate", environment=own).returncode == 0
    refused = trivet("db", "rollback", "99", environment=own)
    assert refused.returncode == 1
    assert refused.stderr == "trivet: there are fewer than 99 migrations to roll back\n"


@pytest.mark.parametrize("env", ["development", "production"])
def test_a_rollback_without_a_terminal_changes_nothing(data: Path, env: str) -> None:
    """Standard input is no terminal: a script must say --yes."""
    data.mkdir()
    own = environment(data, TRIVET_ENV=env, DATABASE_URL=f"sqlite:///{data}/trivet.db")
    assert trivet("db", "migrate", environment=own).returncode == 0
    refused = trivet("db", "rollback", environment=own)
    assert refused.returncode == 2
    assert f"on sqlite:///{data}/trivet.db" in refused.stderr
    assert ("which is in production" in refused.stderr) == (env == "production")
    assert refused.stderr.endswith("trivet: standard input is not a terminal: confirm with --yes\n")
    assert trivet("db", "status", "--check", environment=own).returncode == 0


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("", 1), ("y", 0)])
def test_a_rollback_asks_on_a_terminal(data: Path, answer: str, status: int) -> None:
    own = environment(data)
    assert trivet("db", "migrate", environment=own).returncode == 0
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        command = [str(ROOT / "bin/trivet"), "db", "rollback"]
        done = subprocess.run(command, env=own, stdin=theirs, capture_output=True, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status, done.stderr
    assert "the data in what they added is lost" in done.stderr
    assert "Roll them back? [y/N]" in done.stderr
    assert ("nothing was changed" in done.stderr) == (status == 1)
    assert trivet("db", "status", "--check", environment=own).returncode == 1 - status
