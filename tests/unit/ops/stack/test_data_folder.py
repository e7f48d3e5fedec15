"""The data folder and the development secret in it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops import ROOT
from ops.errors import CommandFailed, WrongSettings
from ops.settings import OpsSettings
from ops.stack import data_folder


def settings(**given: str) -> OpsSettings:
    return OpsSettings.model_validate(given)


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    own = settings(TRIVET_DATA=str(tmp_path / "data"))
    first = data_folder.secret(own)
    assert len(first) == 64
    assert data_folder.secret(own) == first
    assert (tmp_path / "data/secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("left", ["", "\n", "short\n", "\0" * 5])
def test_a_kept_secret_that_is_not_whole_is_named_with_the_mend(tmp_path: Path, left: str) -> None:
    """A copy that broke off, or a disk that lost what was written last."""
    (tmp_path / "secret").write_text(left)
    with pytest.raises(WrongSettings, match=f"{tmp_path}/secret holds no whole secret: put it back from a copy"):
        data_folder.secret(settings(TRIVET_DATA=str(tmp_path)))
    assert (tmp_path / "secret").read_text() == left


def test_stacks_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    own = settings(TRIVET_DATA=str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(data_folder.secret, [own] * 32))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_given_secret_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    given = "0123456789abcdefghijklmnopqrstuvwxyz"
    assert data_folder.secret(settings(TRIVET_DATA=str(tmp_path), TRIVET_SECRET=given)) == given
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_held_by_one_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "WAIT_SECONDS", 0.0)
    with (
        data_folder.locked(tmp_path),
        pytest.raises(CommandFailed, match="is in use by another stack"),
        data_folder.locked(tmp_path),
    ):
        pass
    with data_folder.locked(tmp_path):
        pass


def test_each_http_port_has_a_folder_of_its_own() -> None:
    assert settings(TRIVET_HTTP_PORT="8080").data_folder == ROOT / ".data/8080"
    assert settings(TRIVET_HTTP_PORT="9090").data_folder == ROOT / ".data/9090"
    assert settings(TRIVET_HTTP_PORT="9090", TRIVET_DATA="/x").data_folder == Path("/x")
