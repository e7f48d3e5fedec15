"""`trivet import better-auth` from each engine into each engine."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ops.errors import CommandFailed
from ops.identity.importing.source import source
from runtime.ids import token_hash
from services.identity import schema
from services.identity.oauth.tokens import purpose
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import NOW, SCRYPT, Original
from tests.harness.processes import ROOT

IMPORT = ("import", "better-auth", "--from")
ARGON2 = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$4W4e0eeOD2JEyzTZOOkd4Q"
LATER = datetime(2037, 1, 1, tzinfo=UTC)


def test_people_come_with_their_ids_times_passwords_and_sessions(original: Original, trivet: Trivet) -> None:
    """S1: of a session's token nothing but the hash is kept; O5: a provider's tokens are sealed."""
    ada = original.user("Ada@Example.com", name="Zoë 🦊", image="https://x.io/a.png", emailVerified=True, role="admin")
    credential = original.account(ada)
    github = original.account(
        ada,
        None,
        providerId="github",
        accountId="4242",
        accessToken="gho_secret",
        scope="a,b",
        accessTokenExpiresAt=NOW,
    )
    session = original.session(ada, "the raw token", createdAt=NOW, ipAddress="192.0.2.1")
    counts, reasons = trivet.report(*IMPORT, original.url)
    assert counts == {"users": {"imported": 1}, "accounts": {"imported": 2}, "sessions": {"imported": 1}}
    assert reasons == {}

    (user,) = trivet.rows("users")
    assert (user["id"], user["email"], user["name"]) == (ada, "ada@example.com", "Zoë 🦊")
    assert (user["role"], user["email_verified"], user["banned"]) == ("admin", True, False)
    assert (user["image"], user["created_at"], user["updated_at"]) == ("https://x.io/a.png", NOW, NOW)
    accounts = {row["id"]: row for row in trivet.rows("accounts")}
    assert (accounts[credential]["password"], accounts[credential]["account_id"]) == (SCRYPT, ada)
    assert (accounts[github]["provider"], accounts[github]["account_id"]) == ("github", "4242")
    assert (accounts[github]["scope"], accounts[github]["access_token_expires_at"]) == ("a,b", NOW)
    sealed = accounts[github]["access_token"]
    assert "gho_secret" not in sealed
    assert trivet.sealer.open(sealed, purpose(github, "access_token")) == "gho_secret"
    (kept,) = trivet.rows("sessions")
    assert (kept["id"], kept["token_hash"], kept["remembered"]) == (session, token_hash("the raw token"), True)
    assert (kept["expires_at"], kept["ip_address"], kept["user_agent"]) == (LATER, "192.0.2.1", "Original/1.0")
    assert "the raw token" not in str(trivet.rows("sessions"))


def test_a_second_run_leaves_everything_as_it_is_and_brings_nothing_back(original: Original, trivet: Trivet) -> None:
    """A session that was revoked here, and a password that was changed, stay so; new people are taken."""
    ada = original.user("ada@x.io")
    original.account(ada)
    original.session(ada, "token")
    trivet.run(*IMPORT, original.url)
    trivet.execute(schema.sessions.delete())
    trivet.execute(schema.accounts.update().values(password=ARGON2))
    original.account(original.user("bob@x.io"))
    counts, _ = trivet.report(*IMPORT, original.url)
    assert counts == {
        "users": {"already here": 1, "imported": 1},
        "accounts": {"imported": 1, "skipped": 1},
        "sessions": {"skipped": 1},
    }
    assert trivet.rows("sessions") == []
    assert {row["password"] for row in trivet.rows("accounts")} == {ARGON2, SCRYPT}


def test_a_dry_run_tells_the_same_and_writes_nothing(original: Original, trivet: Trivet) -> None:
    original.session(original.user("ada@x.io"), "token")
    original.user("no address")
    counts, reasons = trivet.report(*IMPORT, original.url, "--dry-run")
    assert counts == {"users": {"would be imported": 1, "skipped": 1}, "sessions": {"would be imported": 1}}
    assert reasons == {"there is no email address, or it is none": 1}
    assert trivet.rows("users") == trivet.rows("sessions") == []


def test_of_two_spellings_of_an_address_the_older_user_is_kept(original: Original, trivet: Trivet) -> None:
    if original.kind == "mysql":
        original.connection.execute(text("ALTER TABLE `user` MODIFY email varchar(255) COLLATE utf8mb4_bin NOT NULL"))
    original.user("ADA@x.io", createdAt=NOW + timedelta(days=1))
    older = original.user("ada@x.io")
    original.user("Ada@x.io", createdAt=NOW + timedelta(days=2))
    counts, reasons = trivet.report(*IMPORT, original.url)
    assert counts == {"users": {"imported": 1, "skipped": 2}}
    assert reasons == {"an older user has the same address in other letters": 2}
    assert [row["id"] for row in trivet.rows("users")] == [older]


def test_an_address_that_somebody_here_has_stays_theirs(original: Original, trivet: Trivet) -> None:
    original.session(original.user("ada@x.io"), "token")
    trivet.run(*IMPORT, original.url)
    trivet.execute(schema.sessions.delete())
    trivet.execute(schema.users.update().values(id="somebody-else"))
    counts, reasons = trivet.report(*IMPORT, original.url)
    assert counts == {"users": {"skipped": 1}, "sessions": {"skipped": 1}}
    assert reasons == {"another user here has the same email address": 1, "its user is left out": 1}
    assert trivet.rows("sessions") == []


def test_a_provider_account_that_is_linked_here_stays_where_it_is(original: Original, trivet: Trivet) -> None:
    github = {"providerId": "github", "accountId": "4242"}
    original.account(original.user("ada@x.io"), None, **github)
    trivet.run(*IMPORT, original.url)
    original.account(original.user("bob@x.io"), None, **github)
    counts, reasons = trivet.report(*IMPORT, original.url)
    assert counts == {"users": {"already here": 1, "imported": 1}, "accounts": {"skipped": 2}}
    assert reasons == {
        "a user here has the same account at the provider": 1,
        "the user is here already and keeps what is here": 1,
    }


def test_what_cannot_be_taken_is_left_out_and_counted_with_the_reason(original: Original, trivet: Trivet) -> None:
    """The report names ids, never addresses or names."""
    ada = original.user("ada@x.io", role="editor,user", image="x" * 3_000, plan="pro", vip=True)
    original.account(ada, "$2b$12$" + "a" * 53)
    original.account(ada, None, providerId="google", accountId="1", accessToken="$ba$1$abc", refreshToken="a1" * 60)
    original.session(ada, "old", expiresAt=datetime(2020, 1, 1, tzinfo=UTC))
    original.session(ada, "not theirs", impersonatedBy="somebody")
    banned = original.user("mallory@x.io", banned=True, banReason="spam", banExpires=LATER)
    original.session(banned, "of a banned user")
    original.user("nobody")
    original.user("x@x.io", id="an id with spaces")
    output = trivet.run(*IMPORT, original.url, "--json")
    assert "x.io" not in output
    report = json.loads(output)
    assert {each["reason"]: each["rows"] for each in report["reasons"]} == {
        "a password hash that cannot be checked here (bcrypt): they reset it": 1,
        "a provider's token was encrypted in the source: not imported": 2,
        "an administrator's session that impersonates the user": 1,
        "expired": 1,
        "its user is banned": 1,
        "the id is no text of up to 36 letters, digits, dashes and underscores": 1,
        "the image is not a URL of up to 2,048 characters or a data URL of an image of up to 200,000": 1,
        "the role editor is not known here": 1,
        "there is no email address, or it is none": 1,
    }
    users = {row["id"]: row for row in trivet.rows("users")}
    assert (users[ada]["role"], users[ada]["image"]) == ("user", None)
    assert json.loads(users[ada]["additional"]) == {"plan": "pro", "vip": True}
    kept_out = users[banned]
    assert (kept_out["banned"], kept_out["ban_reason"], kept_out["ban_expires"]) == (True, "spam", LATER)
    (google,) = trivet.rows("accounts")
    assert (google["issuer"], google["access_token"]) == ("https://accounts.google.com", None)
    assert trivet.rows("sessions") == []


def test_columns_that_are_not_declared_are_counted_as_left_out(original: Original, trivet: Trivet) -> None:
    original.user("ada@x.io", plan="pro", vip=False)
    original.user("bob@x.io", plan="free")
    undeclared = Trivet(trivet.database, {**trivet.environment, "TRIVET_USER_FIELDS": '{"vip":{"type":"number"}}'})
    _, reasons = undeclared.report(*IMPORT, original.url)
    assert reasons["the column plan is not declared in TRIVET_USER_FIELDS"] == 2


def test_an_account_is_filed_under_the_issuer_that_its_id_token_names(original: Original, trivet: Trivet) -> None:
    """O3: the next sign-in there finds it by issuer and subject."""
    claims = (
        base64.urlsafe_b64encode(json.dumps({"iss": "https://login.example.com/t/v2.0"}).encode()).decode().rstrip("=")
    )
    ada = original.user("ada@x.io")
    original.account(ada, None, providerId="microsoft", accountId="1", idToken=f"e30.{claims}.x")
    original.account(ada, None, providerId="okta", accountId="2")
    original.account(ada, None, providerId="corp", accountId="3")
    _, reasons = trivet.report(*IMPORT, original.url, "--issuer", "corp=https://id.corp.example")
    assert reasons == {"the issuer of okta is not known: use --issuer okta=URL": 1}
    issuers = {row["provider"]: row["issuer"] for row in trivet.rows("accounts")}
    assert issuers == {
        "microsoft": "https://login.example.com/t/v2.0",
        "okta": "",
        "corp": "https://id.corp.example",
    }


def test_sessions_of_a_day_stay_so(original: Original, trivet: Trivet) -> None:
    """The original tells them by a cookie; slid by us they would never end."""
    ada = original.user("ada@x.io")
    now = datetime.now(UTC).replace(microsecond=0)
    original.session(ada, "day", updatedAt=now, expiresAt=now + timedelta(days=1))
    original.session(ada, "week", updatedAt=now, expiresAt=now + timedelta(days=7))
    trivet.run(*IMPORT, original.url)
    kept = {row["token_hash"]: row["remembered"] for row in trivet.rows("sessions")}
    assert kept == {token_hash("day"): False, token_hash("week"): True}


def test_a_run_that_was_killed_is_completed_by_the_next(original: Original, trivet: Trivet) -> None:
    """R2: kill -9 after the first page was committed; whoever came, came with all that is theirs."""
    with original.at_once():
        for number in range(230):
            user = original.user(f"{number}@x.io")
            original.account(user)
            original.session(user, f"token {number}")
    killed = subprocess.run(
        [ROOT / "bin/trivet", *IMPORT, original.url],
        env={"PATH": "/usr/bin:/bin", **trivet.environment, "TRIVET_FAILPOINTS": "identity.after_commit=crash"},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr
    assert [len(trivet.rows(table)) for table in ("users", "accounts", "sessions")] == [200, 200, 200]
    counts, _ = trivet.report(*IMPORT, original.url)
    assert counts["users"] == {"already here": 200, "imported": 30}
    assert [len(trivet.rows(table)) for table in ("users", "accounts", "sessions")] == [230, 230, 230]


def test_an_address_that_names_a_pooler_is_taken_for_source_and_target(original: Original, trivet: Trivet) -> None:
    if original.kind != "postgresql":
        pytest.skip("only PostgreSQL has poolers between")
    original.account(original.user("ada@x.io"))
    ours = {**trivet.environment, "DATABASE_URL": f"{trivet.database}?pgbouncer=true"}
    pooled = Trivet(trivet.database, ours)
    counts, _ = pooled.report(*IMPORT, f"{original.url}?pgbouncer=true")
    assert counts == {"users": {"imported": 1}, "accounts": {"imported": 1}}
    back, _ = pooled.report("export", "better-auth", "--to", f"{original.url}?pgbouncer=true")
    assert back == {"users": {"updated there": 1}, "accounts": {"updated there": 1}}


def test_the_source_is_only_read(original: Original, request: pytest.FixtureRequest) -> None:
    if "tidb" in request.node.name:
        pytest.skip("TiDB has no read-only transactions")
    original.user("ada@x.io")
    with (
        pytest.raises(CommandFailed, match=r"is read-only"),
        source.opened(original.url) as opened,
    ):
        opened._connection.execute(text(f"DELETE FROM {original.table('user')}"))
    assert len(original.rows("user")) == 1


def test_what_is_no_better_auth_is_said_so(trivet: Trivet, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is it Better Auth's"):
        trivet.run(*IMPORT, trivet.database)
    with pytest.raises(CommandFailed, match="the SQLite file does not exist"):
        trivet.run(*IMPORT, f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(CommandFailed, match="expected mysql://"):
        trivet.run(*IMPORT, "oracle://x")
