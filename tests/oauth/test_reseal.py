"""`trivet keys reseal`: forgetting an old secret without losing a token."""

import sqlite3
from pathlib import Path

import pytest

from ops.keys.pair_keys import seal_keys
from runtime.sealing import BrokenSealError, Sealer
from services.identity.oauth.tokens import purpose
from services.identity.store.schema import migrate
from tests.harness.stack import environment, trivet

OLD, NEW = "an-old-secret-0123456789-abcdefghijklmnop", "a-new-secret-9876543210-qrstuvwxyzabcdef"
TIME = "2026-01-01 00:00:00.000000"


def sealer(*secrets: str) -> Sealer:
    return Sealer([bytes.fromhex(key) for key in seal_keys(secrets, "identity").split(",")])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one account, whose token an old secret has sealed."""
    path = tmp_path / "identity.db"
    migrate.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO users (id, created_at, updated_at, email, name, email_verified, role, banned)"
            " VALUES ('u', ?, ?, 'a@x.io', 'A', 1, 'user', 0)",
            (TIME, TIME),
        )
        connection.execute(
            "INSERT INTO accounts (id, created_at, updated_at, user_id, account_id, provider, issuer, access_token)"
            " VALUES ('a', ?, ?, 'u', '1', 'github', '', ?)",
            (TIME, TIME, sealer(OLD).seal("the-token", purpose("a", "access_token"))),
        )
    connection.close()
    return path


def stored(database: Path) -> str:
    with sqlite3.connect(database) as connection:
        (token,) = connection.execute("SELECT access_token FROM accounts").fetchone()
    connection.close()
    return str(token)


def run(database: Path, **extra: str) -> tuple[int, str, str]:
    own = environment(database.parent, DATABASE_URL=f"sqlite:///{database}", **{"TRIVET_SECRET": NEW, **extra})
    done = trivet("keys", "reseal", environment=own)
    return done.returncode, done.stdout, done.stderr


def test_an_old_secret_is_forgotten_without_losing_a_token(database: Path) -> None:
    """O5: key rotation."""
    assert run(database, TRIVET_SECRETS_OLD=OLD) == (0, "1 of 1 accounts with tokens re-encrypted\n", "")
    assert sealer(NEW).open(stored(database), purpose("a", "access_token")) == "the-token"
    assert run(database) == (0, "0 of 1 accounts with tokens re-encrypted\n", "")


def test_a_secret_that_is_missing_is_asked_for(database: Path) -> None:
    before = stored(database)
    status, _, said = run(database)
    assert status == 1
    assert "TRIVET_SECRETS_OLD" in said
    assert stored(database) == before
    with pytest.raises(BrokenSealError):
        sealer(NEW).open(before, purpose("a", "access_token"))


def test_the_keys_are_still_printed(database: Path) -> None:
    own = environment(database.parent, TRIVET_SECRET=NEW)
    printed = trivet("keys", "--for", "identity", environment=own)
    assert f"TRIVET_SEAL_KEYS={seal_keys([NEW], 'identity')}\n" in printed.stdout
    assert "# gateway\n" in trivet("keys", environment=own).stdout
