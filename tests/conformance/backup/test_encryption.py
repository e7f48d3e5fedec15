"""Encrypted backups: read with an identity, and by Debian's age and zstd without us."""

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pyrage
import pytest

from ops.backup.streams import identities_in
from ops.errors import CommandFailed, WrongSettings
from tests.conformance.backup.conftest import Backups, documents_of, rows_of
from tests.harness.stack import trivet

SSH = "-----BEGIN OPENSSH PRIVATE {}-----".format("KEY")
"""In two, so that no search for secrets takes it for one."""
pytestmark = pytest.mark.parametrize("sql_engine", ["sqlite"])


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


def test_an_encrypted_backup_is_restored_with_its_identity_alone(
    backups: Backups, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    file = tmp_path / "identity.txt"
    file.write_text(f"# a comment, as age-keygen writes one\n{identity}\n")
    made = trivet("backup", "create", "--recipient", str(identity.to_public()), environment=backups.environment)
    assert made.returncode == 0, made.stderr
    assert not any(b"example.com" in each.read_bytes() for each in backups.root.glob("*/*") if each.is_file())
    target = backups.fresh()
    environment = backups.environment_of(target)
    refused = trivet("backup", "restore", environment=environment)
    assert refused.stderr == "trivet: the backup is encrypted: give the file of an identity with --identity\n"
    other = tmp_path / "other.txt"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    refused = trivet("backup", "restore", "--identity", str(other), environment=environment)
    assert refused.stderr.startswith("trivet: the backup is encrypted for other recipients: ")
    assert refused.stderr.count("\n") == 1
    assert "AGE-SECRET" not in refused.stderr
    restored = trivet("backup", "restore", "--identity", str(file), environment=environment)
    assert restored.returncode == 0, restored.stderr
    assert (rows_of(target), documents_of(target)) == (rows_of(backups.source), documents_of(backups.source))


def test_age_and_zstd_read_a_backup_without_us(
    backups: Backups, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    for program in ("age", "zstd"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    manifest = backups.create(recipients=[str(identity.to_public())])
    (tmp_path / "identity.txt").write_text(str(identity))
    (part,) = manifest.of("sql")
    stored, plain, database = backups.root / manifest.backup_id / part.file, tmp_path / "plain", tmp_path / "copy.db"
    subprocess.run(["age", "-d", "-i", tmp_path / "identity.txt", "-o", plain, stored], check=True)
    subprocess.run(["zstd", "-t", "-q", plain], check=True)
    subprocess.run(["zstd", "-d", "-q", plain, "-o", database], check=True)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (8,)


@pytest.mark.parametrize("text", ["", "# nothing\n", "AGE-SECRET-KEY-1WRONG", f"{SSH}\nx"])
def test_what_is_no_identity_is_refused_without_repeating_it(text: str, sql_engine: str) -> None:
    with pytest.raises(WrongSettings, match=r"^id\.txt holds no identity of age") as refused:
        identities_in(text, "id.txt")
    assert "WRONG" not in str(refused.value)


def test_a_wrong_recipient_is_refused_before_anything_is_read(backups: Backups) -> None:
    with pytest.raises(WrongSettings, match=r"^age1wrong is not a recipient of age"):
        backups.create(recipients=["age1wrong"])
    assert backups.destination.ids() == []


def test_a_part_that_is_cut_off_is_noticed(backups: Backups, identity: pyrage.x25519.Identity) -> None:
    manifest = backups.create(recipients=[str(identity.to_public())])
    path = backups.root / manifest.backup_id / manifest.of("sql")[0].file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CommandFailed, match=r"is truncated or altered .*: use another backup$"):
        backups.restore(manifest, backups.fresh(), identities=[identity])
