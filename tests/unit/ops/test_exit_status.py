"""A command that fails says why in one line."""

from pathlib import Path

import pytest

from ops.exit_status import status_of


def test_a_full_disk_is_named_with_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        Path("/dev/full").write_text("x")

    assert status_of(write) == 1
    assert capsys.readouterr().err == (
        "trivet: the disk of the folder of the data (TRIVET_DATA) or of the file that is written is full: "
        "make room on it, or name a folder on another disk\n"
    )
