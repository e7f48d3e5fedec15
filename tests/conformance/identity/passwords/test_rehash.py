"""Outdated hashes are made anew after sign-ins, which neither wait for it nor fail with it, on every engine."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from copy import copy

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from runtime.errors import InvalidArgument, Unauthenticated, Unavailable
from services.identity import schema
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.rehash import Rehash
from services.identity.sessions.session import Origin
from services.identity.store.database import Transaction
from services.identity.users.users import User
from tests.conformance.identity.conftest import CHEAP, PASSWORD, Identity
from tests.harness.waiting import until

HERE = Origin("10.0.0.1", "tests")
SALT = "0123456789abcdef0123456789abcdef"
SCRYPT = (
    f"{SALT}:{hashlib.scrypt(PASSWORD.encode(), salt=SALT.encode(), n=16384, r=16, dklen=64, p=1, maxmem=2**26).hex()}"
)
WEAKER = PasswordHasher(CHEAP.passes, CHEAP.memory_kib // 2, CHEAP.lanes).hash(PASSWORD)


async def _imported(identity: Identity, stored: str) -> User:
    """Sign somebody up, and put what another system had stored of their password in its place."""
    user, _ = await identity.sign_up()
    await _store(identity, user, stored)
    return user


async def _store(identity: Identity, user: User, stored: str) -> None:
    async def work(transaction: Transaction) -> None:
        own = schema.accounts.c.user_id == user.id
        await transaction.execute(update(schema.accounts).where(own).values(password=stored))

    await identity.database.transaction("tests.import", work)


async def _stored(identity: Identity, user: User) -> str:
    row = await identity.database.row(
        "tests.stored", select(schema.accounts.c.password).where(schema.accounts.c.user_id == user.id)
    )
    assert row is not None
    return str(row[0])


async def _settled(identity: Identity) -> None:
    await until(lambda: len(identity.database.tasks) == 0, 5)


@pytest.mark.parametrize("old", [SCRYPT, WEAKER], ids=["scrypt", "argon2id at half the memory"])
async def test_the_first_sign_in_has_an_imported_hash_made_anew(identity: Identity, old: str) -> None:
    """Contract 3.4, A3: after it the password costs what everybody's does, and is the same."""
    user = await _imported(identity, old)
    await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    await _settled(identity)
    renewed = await _stored(identity, user)
    assert renewed.startswith(f"$argon2id$v=19$m={CHEAP.memory_kib},t={CHEAP.passes},p={CHEAP.lanes}$")
    await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    await _settled(identity)
    assert await _stored(identity, user) == renewed, "once is enough"


async def test_a_wrong_password_renews_nothing(identity: Identity) -> None:
    user = await _imported(identity, SCRYPT)
    with pytest.raises(Unauthenticated):
        await identity.authentication.sign_in("ann@x.io", "wrong horse battery", HERE)
    await _settled(identity)
    assert await _stored(identity, user) == SCRYPT


async def test_many_sign_ins_at_once_with_an_imported_hash_all_succeed(identity: Identity) -> None:
    """The first one's renewal takes the hash away that the others have looked at."""
    user = await _imported(identity, SCRYPT)
    done = await asyncio.gather(*(identity.authentication.sign_in("ann@x.io", PASSWORD, HERE) for _ in range(12)))
    assert len({each.opened.token for each in done}) == 12
    await _settled(identity)
    assert len(await identity.sessions.list(user.id, 100)) == 13
    assert not identity.authentication._hasher.is_outdated(await _stored(identity, user))


class Overtaken(Hasher):
    """Has a renewal of the same password take place right after a check of it, as a sign-in elsewhere would."""

    def __init__(self, identity: Identity, user: User, to: str) -> None:
        super().__init__(CHEAP)
        self._then: Callable[[], Awaitable[None]] = lambda: _store(identity, user, to)
        self._is_done = False

    async def verify(self, stored: str | None, password: str) -> bool:
        right = await super().verify(stored, password)
        if not self._is_done:
            self._is_done = True
            await self._then()
        return right


async def test_what_a_renewal_overtakes_looks_again_and_what_a_change_overtakes_is_refused(
    identity: Identity, hasher: Hasher
) -> None:
    user = await _imported(identity, SCRYPT)
    same, another = await hasher.hash(PASSWORD), await hasher.hash("another horse battery")
    authentication = copy(identity.authentication)
    with Overtaken(identity, user, same) as authentication._hasher:
        assert (await authentication.sign_in("ann@x.io", PASSWORD, HERE)).user == user
    await _store(identity, user, SCRYPT)
    with Overtaken(identity, user, another) as authentication._hasher, pytest.raises(Unauthenticated):
        await authentication.sign_in("ann@x.io", PASSWORD, HERE)
    change = (user.id, PASSWORD, "a third horse battery")
    await _store(identity, user, SCRYPT)
    with Overtaken(identity, user, another) as authentication._hasher, pytest.raises(InvalidArgument):
        await authentication.change_password(*change, end_others=None, keep="", origin=HERE)
    await _store(identity, user, SCRYPT)
    with Overtaken(identity, user, same) as authentication._hasher:
        await authentication.change_password(*change, end_others=None, keep="", origin=HERE)
    await identity.authentication.sign_in("ann@x.io", "a third horse battery", HERE)


class Broken(Hasher):
    """Checks, and cannot hash."""

    async def hash(self, password: str) -> str:
        raise Unavailable("HASHING_OVERLOADED", "too many passwords are being checked")


async def test_a_sign_in_does_not_fail_with_its_rehash(identity: Identity) -> None:
    user = await _imported(identity, SCRYPT)
    authentication = copy(identity.authentication)
    with Broken(CHEAP) as broken:
        authentication._hasher = broken
        authentication._rehash = Rehash(identity.database, identity.credentials, broken)
        assert (await authentication.sign_in("ann@x.io", PASSWORD, HERE)).user == user
        await _settled(identity)
    assert await _stored(identity, user) == SCRYPT


async def test_a_renewal_is_put_off_while_passwords_of_others_wait(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await _imported(identity, SCRYPT)
    monkeypatch.setattr(Hasher, "is_busy", True)
    await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    await _settled(identity)
    assert await _stored(identity, user) == SCRYPT
