"""One-time secrets, on every engine."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Executable, select
from sqlalchemy.engine import CursorResult

from runtime.errors import NotFound
from runtime.ids import new_id, token_hash
from services.identity import schema
from services.identity.email.one_time_secrets import OneTimeSecret, OneTimeSecrets
from services.identity.store.database import Transaction
from services.identity.store.faults.errors import DuplicateError
from tests.conformance.identity.conftest import Identity

HOUR = timedelta(hours=1)


@pytest.fixture
def verifications(identity: Identity) -> OneTimeSecrets:
    return OneTimeSecrets(identity.database, now=identity.clock)


async def put(identity: Identity, verifications: OneTimeSecrets, secret: str, subject: str = "ann") -> None:
    async def work(transaction: Transaction) -> None:
        await verifications.put(transaction, "reset", subject, secret, HOUR, data="kept")

    await identity.database.transaction("tests.put", work)


async def take(
    identity: Identity, verifications: OneTimeSecrets, secret: str, purpose: str = "reset", subject: str | None = None
) -> OneTimeSecret | None:
    async def work(transaction: Transaction) -> OneTimeSecret | None:
        return await verifications.take(transaction, purpose, secret, subject=subject)

    return await identity.database.transaction("tests.take", work)


async def test_a_secret_is_found_often_and_taken_once(identity: Identity, verifications: OneTimeSecrets) -> None:
    secret = new_id()
    await put(identity, verifications, secret)
    for _ in range(2):
        assert await verifications.find("reset", secret) == OneTimeSecret("ann", "kept")
    assert await take(identity, verifications, secret) == OneTimeSecret("ann", "kept")
    assert await take(identity, verifications, secret) is None
    assert await verifications.find("reset", secret) is None


async def test_of_twenty_who_take_a_secret_at_once_one_is_given_it(
    identity: Identity, verifications: OneTimeSecrets
) -> None:
    """A5: exactly one wins."""
    secret = new_id()
    await put(identity, verifications, secret)
    taken = await asyncio.gather(*(take(identity, verifications, secret) for _ in range(20)))
    assert taken.count(None) == 19


async def test_who_has_looked_before_the_other_committed_is_given_nothing(
    identity: Identity, verifications: OneTimeSecrets
) -> None:
    """A5: the closest of races, which engines with several writers let happen."""
    secret, spent, looked = new_id(), asyncio.Event(), asyncio.Event()
    await put(identity, verifications, secret)

    async def first(transaction: Transaction) -> OneTimeSecret | None:
        taken = await verifications.take(transaction, "reset", secret)
        spent.set()
        if identity.database.kind != "sqlite":  # where the other's transaction begins after this one only
            await looked.wait()
        return taken

    async def second(transaction: Transaction) -> OneTimeSecret | None:
        return await verifications.take(Looking(transaction, looked), "reset", secret)

    winning = asyncio.create_task(identity.database.transaction("tests.first", first))
    await spent.wait()
    assert await identity.database.transaction("tests.second", second) is None
    assert await winning == OneTimeSecret("ann", "kept")


class Looking(Transaction):
    """Tells when its first statement has been answered."""

    def __init__(self, transaction: Transaction, looked: asyncio.Event) -> None:
        super().__init__(transaction._lent, transaction._driver, transaction._times, transaction._operation)
        self._looked = looked

    async def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        answer = await super().execute(statement, values)
        self._looked.set()
        return answer


async def test_who_looks_before_spending_spends_it_twice(identity: Identity, verifications: OneTimeSecrets) -> None:
    """A5, without the protection: that the row is there says nothing, only that one's own delete removed it does."""
    secret, both_have_looked = new_id(), asyncio.Barrier(2)
    await put(identity, verifications, secret)

    async def look_then_spend() -> bool:
        found = await verifications.find("reset", secret)
        await both_have_looked.wait()
        await take(identity, verifications, secret)
        return found is not None

    assert all(await asyncio.gather(look_then_spend(), look_then_spend()))


async def test_a_secret_is_good_for_its_time(identity: Identity, verifications: OneTimeSecrets) -> None:
    """A5: for the contract's times."""
    secret = new_id()
    await put(identity, verifications, secret)
    identity.clock.move(seconds=3599)
    assert await verifications.find("reset", secret)
    identity.clock.move(seconds=1)
    assert await verifications.find("reset", secret) is None
    assert await take(identity, verifications, secret) is None


async def test_a_secret_is_good_for_its_purpose_and_its_subject_alone(
    identity: Identity, verifications: OneTimeSecrets
) -> None:
    """A5: bound to what it was made for; whoever tries it for something else does not spend it."""
    secret = new_id()
    await put(identity, verifications, secret)
    assert await take(identity, verifications, secret, purpose="delete") is None
    assert await take(identity, verifications, secret, subject="bob") is None
    assert await take(identity, verifications, secret, subject="ann")


async def test_a_secret_is_kept_as_its_hash(identity: Identity, verifications: OneTimeSecrets) -> None:
    """A5: hashed at rest."""
    secret = new_id()
    await put(identity, verifications, secret)
    (row,) = await identity.database.rows("tests.rows", select(schema.verifications))
    assert secret not in str(row)
    assert row.value == token_hash(secret)


async def test_a_secret_that_was_taken_in_vain_is_good_again(identity: Identity, verifications: OneTimeSecrets) -> None:
    secret = new_id()
    await put(identity, verifications, secret)

    async def fail(transaction: Transaction) -> None:
        assert await verifications.take(transaction, "reset", secret)
        raise NotFound("USER_NOT_FOUND", "gone")

    with pytest.raises(NotFound):
        await identity.database.transaction("tests.fail", fail)
    assert await take(identity, verifications, secret)


async def test_several_wait_and_all_can_be_ended(identity: Identity, verifications: OneTimeSecrets) -> None:
    first, second, another = new_id(), new_id(), new_id()
    for secret, subject in ((first, "ann"), (second, "ann"), (another, "bob")):
        await put(identity, verifications, secret, subject)
    with pytest.raises(DuplicateError):
        await put(identity, verifications, first)

    async def void(transaction: Transaction) -> None:
        await verifications.void(transaction, "reset", "ann")

    await identity.database.transaction("tests.void", void)
    assert [await verifications.find("reset", each) for each in (first, second)] == [None, None]
    assert await verifications.find("reset", another)
