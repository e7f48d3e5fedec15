"""Sealed secrets: opened by our keys for their purpose alone, and by the old keys during a rotation."""

import os

import pytest

from runtime.sealing import BrokenSealError, Sealer

OLD, NEW = os.urandom(32), os.urandom(32)


def test_a_sealed_secret_is_opened_and_not_readable() -> None:
    sealed = Sealer([NEW]).seal("naïve tökèn", "token of ann")
    assert "naïve" not in sealed
    assert Sealer([NEW]).open(sealed, "token of ann") == "naïve tökèn"


def test_the_same_secret_is_never_sealed_alike() -> None:
    sealer = Sealer([NEW])
    assert sealer.seal("token", "x") != sealer.seal("token", "x")


def test_a_secret_opens_for_its_purpose_alone() -> None:
    """A sealed token that is copied into another's row opens nothing."""
    sealed = Sealer([NEW]).seal("token", "token of ann")
    with pytest.raises(BrokenSealError):
        Sealer([NEW]).open(sealed, "token of bob")


def test_every_changed_character_breaks_the_seal() -> None:
    sealed = Sealer([NEW]).seal("token", "x")
    for place, character in enumerate(sealed[:-1]):  # the last one has bits that mean nothing
        changed = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(BrokenSealError):
            Sealer([NEW]).open(changed, "x")


@pytest.mark.parametrize("text", ["", ".", "1.", "1..", "plain", "1.abcdef00.AAAA", "2.00000000.AAAA", "1.é.é"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(BrokenSealError):
        Sealer([NEW]).open(text, "x")


def test_an_old_key_opens_and_the_new_one_seals() -> None:
    """S6: rotation; without the old key among ours nothing of it opens."""
    before, both = Sealer([OLD]), Sealer([NEW, OLD])
    sealed = before.seal("token", "x")
    assert both.open(sealed, "x") == "token"
    assert not both.is_current(sealed)
    again = both.seal("token", "x")
    assert both.is_current(again)
    assert Sealer([NEW]).open(again, "x") == "token"
    with pytest.raises(BrokenSealError):
        Sealer([NEW]).open(sealed, "x")


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"short"]])
def test_keys_that_are_no_keys_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys)
