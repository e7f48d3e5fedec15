"""`trivet db` as an operator calls it, on SQLite and without MongoDB."""

import json
from pathlib import Path

from tests.harness.stack import environment, trivet


def test_migrations_run_up_to_a_number_and_programs_read_the_status(tmp_path: Path) -> None:
    own = environment(tmp_path)
    done = trivet("db", "migrate", "--to", "3", environment=own)
    assert (done.returncode, done.stderr) == (0, "migrated from an empty database to 0003\n")
    status = trivet("db", "status", "--json", environment=own)
    assert "MongoDB is not shown: set MONGODB_URI, or start the stack with `trivet run`" in status.stderr
    found = json.loads(status.stdout)
    assert found["stores"]["sql"]["at"] == "0003"
    assert [row["number"] for row in found["migrations"] if row["is_pending"]] == ["0004", "0005", "0006"]
    assert all(row["applied_by"] and row["applied_at"] for row in found["migrations"] if not row["is_pending"])


def test_what_the_code_has_already_writes_no_migration(tmp_path: Path) -> None:
    own = environment(tmp_path)
    early = trivet("db", "generate", "nothing", environment=own)
    assert (early.returncode, early.stdout) == (0, "")  # compared with what the migrations make
    assert trivet("db", "migrate", environment=own).returncode == 0
    written = trivet("db", "generate", "nothing", environment=own)
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr.endswith("are those of the stores: nothing was written\n")


def test_wrong_numbers_and_stores_are_one_line(tmp_path: Path) -> None:
    own = environment(tmp_path)
    unknown = trivet("db", "migrate", "--to", "99", environment=own)
    assert (unknown.returncode, unknown.stderr) == (1, "trivet: there is no migration 99: they are 0001 to 0006\n")
    absent = trivet("db", "migrate", "--store", "mongodb", environment=own)
    assert (absent.returncode, absent.stderr) == (
        2,
        "trivet: there is no MongoDB: set MONGODB_URI, or start the stack with `trivet run`\n",
    )
    few = trivet("db", "seed", "--users", "9", environment=own)
    assert few.returncode == 2
    assert few.stderr.startswith("trivet: Invalid value for '--users'")


def test_a_seed_needs_the_newest_schema(tmp_path: Path) -> None:
    own = environment(tmp_path)
    assert trivet("db", "migrate", "--to", "5", environment=own).returncode == 0
    refused = trivet("db", "seed", "--sql-only", environment=own)
    assert (refused.returncode, refused.stderr) == (
        1,
        "trivet: migrations are missing: run `trivet db migrate` first\n",
    )
