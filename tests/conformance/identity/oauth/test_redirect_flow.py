"""A sign-in at a provider from begin to end, and the tokens it leaves, on every engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from runtime.errors import FailedPrecondition, NotFound, Unauthenticated
from runtime.sealing import Sealer
from services.identity import schema
from services.identity.oauth.flows.redirect_flow import FlowResult
from services.identity.oauth.providers.relying_party import RelyingParty
from services.identity.oauth.reseal import Resealed, reseal_all
from services.identity.oauth.tokens import Tokens
from services.identity.outbox.audit import Audit
from services.identity.sessions.session import Origin
from services.identity.store.database import Transaction
from services.identity.store.leases import Leases
from tests.conformance.identity.conftest import OPERATOR, PASSWORD
from tests.conformance.identity.oauth.conftest import KEY, OLD_KEY, Doors, begun, vouched
from tests.oauth.provider import Provider

HERE = Origin()


async def enter(doors: Doors) -> FlowResult:
    async with doors.open() as oauth:
        ended = await oauth.redirect_flow.complete(await begun(oauth.redirect_flow, doors.provider), HERE)
        assert ended.error == ""
        return ended


async def test_of_twenty_callbacks_at_once_one_opens_a_session(doors: Doors, provider: Provider) -> None:
    """O1, A5: a state is spent by whoever is first."""
    async with doors.open() as oauth:
        callback = await begun(oauth.redirect_flow, provider)
        ended = await asyncio.gather(*(oauth.redirect_flow.complete(callback, HERE) for _ in range(20)))
    assert sorted(each.error for each in ended) == ["", *["state_mismatch"] * 19]
    assert provider.counts["token"] == 1
    assert len(await doors.rows(schema.sessions)) == 1


async def test_a_transaction_is_over_after_ten_minutes(doors: Doors, provider: Provider) -> None:
    """O1."""
    async with doors.open() as oauth:
        callback = await begun(oauth.redirect_flow, provider, error_url="/no")
        doors.identity.clock.move(minutes=10)
        ended = await oauth.redirect_flow.complete(callback, HERE)
        assert ended.error == "state_mismatch"


async def test_what_is_secret_in_a_transaction_is_not_in_the_database(doors: Doors, provider: Provider) -> None:
    """O1: whoever reads the table can neither end a transaction nor redeem its code."""
    async with doors.open() as oauth:
        callback = await begun(oauth.redirect_flow, provider)
        (row,) = await doors.rows(schema.verifications)
        assert callback.state not in str(row)
        for word in ("verifier", "nonce", "callback"):
            assert word not in row["data"]


async def test_a_browser_that_has_not_begun_does_not_spend_the_state(doors: Doors, provider: Provider) -> None:
    """O1."""
    async with doors.open() as oauth:
        callback = await begun(oauth.redirect_flow, provider, error_url="/no")
        elsewhere = await oauth.redirect_flow.complete(replace(callback, browser_state=""), HERE)
        assert (elsewhere.redirect_url, elsewhere.signed_in) == ("/no?error=state_mismatch", None)
        assert (await oauth.redirect_flow.complete(callback, HERE)).signed_in is not None


async def test_tokens_are_sealed_for_their_row_and_column(doors: Doors, provider: Provider) -> None:
    """O5: a token that is moved to another row, or another column, does not open there."""
    ended = await enter(doors)
    assert ended.signed_in is not None
    user_id = ended.signed_in.user.id
    (row,) = await doors.rows(schema.accounts)
    kept = await doors.linked().find(user_id, row["id"])
    assert all((kept.tokens.access_token, kept.tokens.refresh_token, kept.tokens.id_token))
    for token in (kept.tokens.access_token, kept.tokens.refresh_token, kept.tokens.id_token):
        assert token not in str(row)

    async def swap(transaction: Transaction) -> None:
        values = {"access_token": row["refresh_token"], "refresh_token": row["access_token"]}
        await transaction.execute(update(schema.accounts).values(**values))

    await doors.identity.database.transaction("tests.swap", swap)
    kept = await doors.linked().find(user_id, row["id"])
    assert (kept.tokens.access_token, kept.tokens.refresh_token) == ("", "")


async def test_two_processes_refresh_a_token_once(doors: Doors, provider: Provider) -> None:
    """Without the lease both would send the same refresh token, and a provider that rotates them ends them all."""
    provider.switches.lifetime = 4
    ended = await enter(doors)
    assert ended.signed_in is not None
    user_id = ended.signed_in.user.id
    (account,) = await doors.linked().list(user_id, 10)
    provider.switches.lifetime = 3_600
    async with doors.open() as one, doors.open() as other:
        ways = (one.token_refresh.get, other.token_refresh.get, one.token_refresh.refresh, other.token_refresh.refresh)
        found = await asyncio.gather(*(way(user_id, account.id) for way in ways * 3))
    assert len({each.tokens.access_token for each in found}) == 1
    assert (provider.counts["refresh"], provider.reused) == (1, [])


async def test_without_the_lease_two_processes_spoil_the_refresh_token(
    doors: Doors, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The damage that the lease prevents."""

    @asynccontextmanager
    async def unguarded(*_: object, **__: object) -> AsyncIterator[None]:
        yield

    both_are_there, refresh = asyncio.Barrier(2), RelyingParty.refresh

    async def refresh_together(self: RelyingParty, *of: Any) -> Tokens:
        await both_are_there.wait()
        return await refresh(self, *of)

    monkeypatch.setattr(Leases, "hold", unguarded)
    monkeypatch.setattr(RelyingParty, "refresh", refresh_together)
    ended = await enter(doors)
    assert ended.signed_in is not None
    user_id = ended.signed_in.user.id
    (account,) = await doors.linked().list(user_id, 10)
    async with doors.open() as one, doors.open() as other:
        both = (one.token_refresh.refresh(user_id, account.id), other.token_refresh.refresh(user_id, account.id))
        found = await asyncio.gather(*both, return_exceptions=True)
    assert [each for each in found if isinstance(each, FailedPrecondition)]
    assert provider.reused


@pytest.mark.parametrize(("grace", "is_cacheable"), [(5.0, True), (0.0, False)])
async def test_a_refresh_under_way_at_the_end_keeps_its_tokens(
    doors: Doors, provider: Provider, monkeypatch: pytest.MonkeyPatch, grace: float, is_cacheable: bool
) -> None:
    """The provider has replaced the refresh token when the process is asked to end; without a grace it is lost."""
    answered, go_on, refresh = asyncio.Event(), asyncio.Event(), RelyingParty.refresh

    async def slowly(self: RelyingParty, *of: Any) -> Tokens:
        tokens = await refresh(self, *of)
        answered.set()
        await go_on.wait()
        return tokens

    monkeypatch.setattr(RelyingParty, "refresh", slowly)
    ended = await enter(doors)
    assert ended.signed_in is not None
    user_id = ended.signed_in.user.id
    (account,) = await doors.linked().list(user_id, 10)
    before = (await doors.linked().find(user_id, account.id)).tokens.refresh_token
    async with doors.open(grace=grace) as oauth:
        call = asyncio.create_task(oauth.token_refresh.refresh(user_id, account.id))
        await answered.wait()
        call.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    after = (await doors.linked().find(user_id, account.id)).tokens.refresh_token
    assert (after != before) is is_cacheable


async def test_a_lease_of_a_process_that_died_runs_out(doors: Doors, provider: Provider) -> None:
    leases = Leases(doors.identity.database, now=doors.identity.clock)
    assert await leases._take("refresh:x", "dead")
    assert not await leases._take("refresh:x", "waiting")
    doors.identity.clock.move(seconds=15)
    async with leases.hold("refresh:x", wait=0.0):
        assert not await leases._take("refresh:x", "another")
    assert await leases._take("refresh:x", "another")


async def test_two_who_remove_the_last_two_accounts_at_once_leave_one(doors: Doors) -> None:
    user, _ = await doors.identity.sign_up("ann@x.io")
    await doors.entrances().link(vouched(), user.id, None, HERE)
    linked = doors.linked()
    removing = (linked.unlink(user.id, account.id) for account in await linked.list(user.id, 10))
    done = await asyncio.gather(*removing, return_exceptions=True)
    (refused,) = [each for each in done if isinstance(each, FailedPrecondition)]
    assert refused.reason == "FAILED_TO_UNLINK_LAST_ACCOUNT"
    assert len(await linked.list(user.id, 10)) == 1


async def test_nobody_unlinks_or_reads_anothers_account(doors: Doors) -> None:
    ann, _ = await doors.identity.sign_up("ann@x.io")
    ben, _ = await doors.identity.sign_up("ben@x.io")
    await doors.entrances().link(vouched(), ann.id, None, HERE)
    await doors.entrances().link(vouched("2", email="ben@x.io"), ben.id, None, HERE)
    for account in await doors.linked().list(ann.id, 10):
        with pytest.raises(NotFound):
            await doors.linked().unlink(ben.id, account.id)
        with pytest.raises(NotFound):
            await doors.linked().find(ben.id, account.id)


async def test_anothers_account_is_not_found_also_by_who_has_one_alone(doors: Doors) -> None:
    ann, _ = await doors.identity.sign_up("ann@x.io")
    ben, _ = await doors.identity.sign_up("ben@x.io")
    (hers,) = await doors.linked().list(ann.id, 10)
    with pytest.raises(NotFound) as refused:
        await doors.linked().unlink(ben.id, hers.id)
    assert refused.value.reason == "ACCOUNT_NOT_FOUND"
    with pytest.raises(FailedPrecondition):
        await doors.linked().unlink(ann.id, hers.id)


async def test_who_unlinks_a_password_still_has_the_provider(doors: Doors) -> None:
    user, _ = await doors.identity.sign_up("ann@x.io")
    await doors.entrances().link(vouched(), user.id, None, HERE)
    (own,) = [each for each in await doors.linked().list(user.id, 10) if each.provider == "credential"]
    await doors.linked().unlink(user.id, own.id)
    with pytest.raises(Unauthenticated):
        await doors.identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    assert (await doors.entrances().sign_in(vouched(), HERE, may_sign_up=False)).user.id == user.id


async def test_an_old_keys_seals_open_until_they_are_made_anew(doors: Doors) -> None:
    """O5: a secret is rotated without a token lost: sealed anew with the next write, or all at once."""
    doors.sealer = Sealer([OLD_KEY])
    for number in range(5):
        who = vouched(str(number), email=f"u{number}@x.io", refresh_token=f"r{number}")
        await doors.entrances().sign_in(who, HERE, may_sign_up=True)
    doors.sealer = Sealer([KEY, OLD_KEY])
    audit = Audit(doors.identity.database, doors.identity.outbox)
    await doors.entrances().sign_in(vouched("0", email="u0@x.io"), HERE, may_sign_up=False)
    assert await reseal_all(doors.identity.database, doors.sealer, audit, actor=OPERATOR, batch=2) == Resealed(5, 4, 0)
    assert await reseal_all(doors.identity.database, doors.sealer, audit, actor=OPERATOR, batch=2) == Resealed(5, 0, 0)
    events = [each for each in map(json.loads, await doors.events()) if each["happened"] == "tokens.resealed"]
    assert sum(int(each["detail"].split()[2]) for each in events) == 4
    assert {(each["actor"], each["user_id"]) for each in events} == {(OPERATOR, "")}
    doors.sealer = Sealer([KEY])
    rows = {row["account_id"]: row for row in await doors.rows(schema.accounts)}
    for number in range(5):
        row = rows[str(number)]
        assert (await doors.linked().find(row["user_id"], row["id"])).tokens.refresh_token == f"r{number}"


async def test_what_no_key_opens_is_counted_and_left(doors: Doors) -> None:
    doors.sealer = Sealer([OLD_KEY])
    await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)
    before = await doors.rows(schema.accounts)
    audit = Audit(doors.identity.database, doors.identity.outbox)
    assert await reseal_all(doors.identity.database, Sealer([KEY]), audit, actor=OPERATOR) == Resealed(1, 0, 1)
    assert await doors.rows(schema.accounts) == before
