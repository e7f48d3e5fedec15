"""Hashing beside everything else, and which passwords are taken."""

import asyncio
import hashlib
import threading

import pytest
from argon2 import PasswordHasher, Type

from runtime.errors import InvalidArgument, Unavailable
from services.identity.passwords.hashing import Hasher, HashingConfig
from services.identity.passwords.policy import common_passwords, new_password, normal_password
from tests.conformance.identity.conftest import CHEAP
from tests.harness.waiting import taking, until

PASSWORD = "correct horse battery"


async def test_a_hash_is_argon2id_at_the_cost_that_was_set() -> None:
    with Hasher(HashingConfig(queue=1)) as hasher:
        stored = await hasher.hash(PASSWORD)
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await hasher.verify(stored, PASSWORD)
        assert not await hasher.verify(stored, PASSWORD + " ")


async def test_the_scrypt_of_better_auth_is_verified(hasher: Hasher) -> None:
    """Contract 3.4: the salt is the text of its hexadecimal digits."""
    salt = "0123456789abcdef0123456789abcdef"
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=16384, r=16, p=1, dklen=64, maxmem=2**26)
    assert await hasher.verify(f"{salt}:{key.hex()}", PASSWORD)
    assert not await hasher.verify(f"{salt}:{key.hex()}", "another")


async def test_what_costs_less_than_is_set_now_is_outdated_and_what_costs_more_is_not() -> None:
    """Contract 3.4: imported hashes, and our own from before a setting was raised."""
    with Hasher(HashingConfig(64, 2, workers=1)) as hasher:
        assert not hasher.is_outdated(await hasher.hash(PASSWORD))
        assert hasher.is_outdated("0" * 32 + ":" + "0" * 128)
        assert hasher.is_outdated("$2b$12$" + "a" * 53)
        for passes, memory, kind, outdated in (
            (1, 64, Type.ID, True),
            (2, 32, Type.ID, True),
            (2, 64, Type.I, True),
            (3, 128, Type.ID, False),
        ):
            stored = PasswordHasher(passes, memory, 1, type=kind).hash(PASSWORD)
            assert hasher.is_outdated(stored) is outdated, stored
            assert await hasher.verify(stored, PASSWORD)


@pytest.mark.parametrize("stored", [None, "", "plain", "$2b$12$abc", "0" * 32 + ":" + "0" * 127])
async def test_what_is_no_hash_of_ours_is_no_match(hasher: Hasher, stored: str | None) -> None:
    assert not await hasher.verify(stored, PASSWORD)


async def test_a_user_without_a_password_costs_as_much_as_any() -> None:
    """A3: the same work is done for somebody that nobody knows."""
    with Hasher(CHEAP) as hasher:
        done = []
        argon2 = hasher._argon2.verify
        hasher._matches = lambda stored, password: done.append(stored) or argon2(stored, password)  # type: ignore[method-assign, func-returns-value]  # counts
        stored = await hasher.hash(PASSWORD)
        await hasher.verify(stored, PASSWORD)
        with pytest.raises(Exception, match="does not match"):
            await hasher.verify(None, PASSWORD)
        assert done == [stored, hasher._dummy]
        assert hasher._dummy.split("$")[:4] == stored.split("$")[:4]


class Stuck:
    """Work for a thread that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self._let_go = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        self._let_go.wait(10)

    def release(self) -> None:
        self._let_go.set()


async def test_a_full_queue_sheds_before_any_work() -> None:
    """Safety 0.3: the answer comes at once, with a time to come back."""
    stuck = Stuck()
    with Hasher(HashingConfig(64, 1, workers=1, queue=2)) as hasher:
        waiting = [asyncio.create_task(hasher._in_a_thread(stuck)) for _ in range(3)]
        await asyncio.sleep(0)
        with taking(0, 5), pytest.raises(Unavailable) as caught:  # a place is free after ten
            await hasher.hash(PASSWORD)
        assert (caught.value.reason, caught.value.retry_after) == ("HASHING_OVERLOADED", 1.0)
        stuck.release()
        await asyncio.gather(*waiting)
        assert stuck.begun == 3
        await hasher.hash(PASSWORD)


async def test_whoever_leaves_the_queue_is_not_hashed_for() -> None:
    """Safety 0.4: neither a cancelled call nor one whose time is up takes a thread when its turn comes."""
    first, late = Stuck(), Stuck()
    with Hasher(HashingConfig(64, 1, workers=1, queue=10)) as hasher:
        busy = asyncio.create_task(hasher._in_a_thread(first))
        await asyncio.sleep(0)
        gone = asyncio.create_task(hasher._in_a_thread(late))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hasher._in_a_thread(late)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        first.release()
        await busy
        await hasher.hash(PASSWORD)
        assert late.begun == 0


async def test_a_caller_that_leaves_while_hashing_does_not_free_the_thread_early() -> None:
    stuck = Stuck()
    with Hasher(HashingConfig(64, 1, workers=1, queue=10)) as hasher:
        call = asyncio.create_task(hasher._in_a_thread(stuck))
        await until(lambda: stuck.begun == 1, 2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        following = asyncio.create_task(hasher.hash(PASSWORD))
        await asyncio.sleep(0)
        assert hasher.is_busy
        stuck.release()
        await following
        assert not hasher.is_busy


async def test_a_thread_takes_the_next_password_while_the_loop_is_busy() -> None:
    """A13: a thread that waited for a turn of the loop between two passwords would be idle meanwhile."""
    first, second = threading.Event(), threading.Event()
    with Hasher(HashingConfig(64, 1, workers=1)) as hasher:
        calls = [asyncio.create_task(hasher._in_a_thread(each.set)) for each in (first, second)]
        await asyncio.sleep(0)
        assert second.wait(10)  # the loop stands still until then
        await asyncio.gather(*calls)


@pytest.mark.parametrize("password", ["x" * 64, "with some spaces", "🦊" * 8, " leading and trailing ", "ﬁ" * 8])
def test_any_characters_are_taken(password: str) -> None:
    """A1: 64 and more, spaces, emoji."""
    new_password(password, refuse_common=True)


def test_two_spellings_are_one_password_and_nothing_is_trimmed() -> None:
    """A1: NFC and NFD are the same; a space and the 73rd byte matter."""
    assert normal_password("Zoe\u0308 Zoe\u0308") == normal_password("Zo\u00eb Zo\u00eb")
    assert normal_password(" secret ") != normal_password("secret")
    assert normal_password("x" * 72 + "a") != normal_password("x" * 72 + "b")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", "PASSWORD_TOO_SHORT"),
        ("x" * 129, "PASSWORD_TOO_LONG"),
        ("🦊" * 3 + "x", "PASSWORD_TOO_SHORT"),  # seven UTF-16 code units
        ("🦊" * 65, "PASSWORD_TOO_LONG"),
        ("\ufdfa" * 7, "PASSWORD_TOO_SHORT"),  # eighteen characters each in NFKC
        ("\ufdfa" * 129, "PASSWORD_TOO_LONG"),
        ("password123", "PASSWORD_TOO_COMMON"),
        ("PassWord123", "PASSWORD_TOO_COMMON"),
        ("".join(chr(ord(letter) + 0xFEE0) for letter in "password1"), "PASSWORD_TOO_COMMON"),
    ],
)
def test_a_password_out_of_bounds_is_refused(password: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        new_password(password, refuse_common=True)
    assert caught.value.reason == reason


@pytest.mark.parametrize("password", ["🦊" * 4, "🦊" * 64, "\ufdfa" * 8, "\ufdfa" * 128, "\ufb01" * 8, "é" * 128])
def test_lengths_are_counted_as_the_original_counts_them(password: str) -> None:
    """B13: JavaScript's `length` of the text as it was typed, 8 to 128."""
    assert new_password(password, refuse_common=True) == normal_password(password)


@pytest.mark.parametrize("password", ["\ufdfa" * 128, "🦊" * 128, "x" * 1_024, "x", ""])
def test_a_password_that_was_taken_once_is_checked(password: str) -> None:
    """Imported users, and users who chose a password when characters were counted, are not locked out by its length."""
    normal_password(password)


def test_a_password_that_nobody_can_have_is_not_hashed() -> None:
    with pytest.raises(InvalidArgument) as caught:
        normal_password("x" * 1_025)
    assert caught.value.reason == "PASSWORD_TOO_LONG"


def test_the_three_thousand_commonest_are_known() -> None:
    """A2: those of eight characters or more; the shorter ones are refused by their length."""
    assert len(common_passwords()) == 3_000
    assert {"password", "qwertyuiop", "1q2w3e4r", "password123"} <= common_passwords()
    assert min(map(len, common_passwords())) == 8
