"""The command as an operator uses it: create, list, show, verify and restore."""

import json

import pytest

from tests.conformance.backup.conftest import Backups, documents_of, rows_of, sign_up
from tests.harness.people import PASSWORD
from tests.harness.stack import trivet


def test_the_command_makes_lists_verifies_and_restores_a_backup(backups: Backups) -> None:
    sign_up(backups.source, "ada@example.com")
    made = trivet("backup", "create", environment=backups.environment)
    assert made.returncode == 0, made.stderr
    assert "Redis is left out: it holds a cache" in made.stderr
    (listed,) = json.loads(trivet("backup", "list", "--json", environment=backups.environment).stdout)
    shown = json.loads(trivet("backup", "show", "--json", environment=backups.environment).stdout)
    assert shown["backup_id"] == listed["backup"]
    assert listed["documents"] == 8 * 5
    assert {part["store"] for part in shown["parts"]} == {"sql", "mongodb"}
    environment = {**backups.environment, "TRIVET_VERIFY_PASSWORD": PASSWORD}
    verified = trivet("backup", "verify", "--sign-in", "ada@example.com", environment=environment)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith(f"verified {listed['backup']}: ")
    wrong = {**environment, "TRIVET_VERIFY_PASSWORD": "not the password"}
    refused = trivet("backup", "verify", "--sign-in", "ada@example.com", environment=wrong)
    assert refused.returncode == 1
    assert refused.stderr.startswith("trivet: ada@example.com cannot sign in to the restored stores: ")
    target = backups.fresh()
    restored = trivet("backup", "restore", listed["backup"], environment=backups.environment_of(target))
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith(f"restored {listed['backup']}: ")
    assert (rows_of(target), documents_of(target)) == (rows_of(backups.source), documents_of(backups.source))


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_a_new_user_signs_in_to_what_is_verified_if_none_is_given(backups: Backups) -> None:
    backups.create()
    verified = trivet("backup", "verify", environment=backups.environment)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.endswith("nothing differs, and a user signed in\n")
