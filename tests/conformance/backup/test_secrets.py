"""No password is in an argument or a variable of a tool, whatever letters it has; no key is in a backup."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ops.backup.sql.database import engine_of
from runtime.ids import new_id
from services.identity.store.engine import store_url
from tests.conformance.backup.conftest import Backups
from tests.conftest import Engines
from tests.harness.stack import trivet

PASSWORD = "o\"d'd \\ : #; % word"
TOOLS = {"mariadb": ("mariadb-dump", "mariadb"), "postgresql": ("pg_dump", "pg_restore")}
QUOTED = {"mariadb": PASSWORD.replace("\\", "\\\\").replace("'", "''"), "postgresql": PASSWORD.replace("'", "''")}
ACCOUNT = {
    "mariadb": ("CREATE USER {account} IDENTIFIED BY '{quoted}'", "GRANT ALL ON *.* TO {account}"),
    "postgresql": ("CREATE ROLE {account} SUPERUSER LOGIN PASSWORD '{quoted}'",),
}
GONE = {
    "mariadb": ("SELECT 1", "DROP USER {account}"),
    "postgresql": ("DROP OWNED BY {account}", "DROP ROLE {account}"),
}
SPY = """#!/bin/sh
{{ printf '%s\\n' "$0" "$@"; env; }} >> {log}
exec {program} "$@"
"""


@pytest.mark.parametrize("sql_engine", ["mariadb", "postgresql"])
def test_tools_are_given_no_password(backups: Backups, sql_engine: str, tmp_path: Path, engine: Engines) -> None:
    """Programs before the tools on PATH note what they are given."""
    log, spies = tmp_path / "log", tmp_path / "spies"
    spies.mkdir()
    for name in TOOLS[sql_engine]:
        program = shutil.which(name)
        assert program is not None
        (spies / name).write_text(SPY.format(log=log, program=program))
        (spies / name).chmod(0o755)
    user = f"odd{new_id()[-8:].lower().replace('-', '')}"
    account = f"'{user}'@'127.0.0.1'" if sql_engine == "mariadb" else user
    target = backups.fresh()
    ours = [target.sql, backups.source.sql]
    if sql_engine == "mariadb":  # the users of the others cannot grant
        ours = [f"mariadb://root@localhost/mysql?socket={engine.get(sql_engine).folder}/s"] * 2
    with engine_of(store_url.parse(ours[1])) as root, root.begin() as connection:
        for statement in ACCOUNT[sql_engine]:
            connection.exec_driver_sql(statement.format(account=account, quoted=QUOTED[sql_engine]).replace("%", "%%"))
    try:
        for stores, command in ((backups.source, "create"), (target, "restore")):
            url = make_url(stores.sql).set(username=user, password=PASSWORD).render_as_string(hide_password=False)
            environment = backups.environment_of(stores) | {"DATABASE_URL": url}
            environment["PATH"] = f"{spies}{os.pathsep}{environment['PATH']}"
            done = trivet("backup", command, environment=environment)
            assert done.returncode == 0, done.stderr
            assert PASSWORD not in done.stdout + done.stderr
        noted = log.read_text()
        assert all(f"{spies}/{name}" in noted for name in TOOLS[sql_engine])
        assert PASSWORD not in noted
        assert url not in noted
    finally:
        for place, address in enumerate(ours):
            with engine_of(store_url.parse(address)) as root, root.begin() as connection:
                connection.execute(text(GONE[sql_engine][place].format(account=account)))


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_only_its_user_can_read_a_backup(backups: Backups) -> None:
    manifest = backups.create()
    folder = backups.root / manifest.backup_id
    assert folder.stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in folder.iterdir())


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_a_restore_under_another_secret_is_warned_of(backups: Backups) -> None:
    made = trivet("backup", "create", environment=backups.environment)
    assert made.returncode == 0, made.stderr
    environment = backups.environment_of(backups.fresh())
    restored = trivet(
        "backup", "restore", environment=environment | {"TRIVET_SECRET": "another-secret-0123456789abcdef-x"}
    )
    assert restored.returncode == 0, restored.stderr
    assert "warning: the backup was made under another TRIVET_SECRET" in restored.stderr
    assert environment["TRIVET_SECRET"] not in next(backups.root.glob("*/manifest.json")).read_text()
