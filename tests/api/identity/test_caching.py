"""What identity fills into the real cache service after a miss, and takes out after a change."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from grpc.aio import AioRpcError

from runtime.ids import token_hash
from tests.api.identity.conftest import PASSWORD, Api, Reader, identity_on, stubs
from tests.harness.peers.watching import watching
from tests.harness.people import promote
from tests.harness.processes import Process, client
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import Lookup
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.auth_service_pb2 import ChangePasswordRequest, SignOutRequest, SignUpResponse
from trivet.identity.v1.session_service_pb2 import (
    RevokeAllSessionsRequest,
    RevokeSessionRequest,
    VerifySessionRequest,
    VerifySessionResponse,
)
from trivet.identity.v1.user_service_pb2 import DeleteUserRequest, GetUserRequest, UpdateUserRequest


async def _cached_session(api: Api, reader: Reader, made: SignUpResponse) -> Lookup:
    """Miss, have identity fill, and return what the cache then holds."""
    key = token_hash(made.token)
    lease = await reader.lease("sessions", key)
    await api.sessions.VerifySession(VerifySessionRequest(token=made.token), metadata=lease)
    await until(lambda: _is_cached(reader, "sessions", key))
    return await reader.look("sessions", key)


async def _is_cached(reader: Reader, namespace: str, key: str) -> bool:
    return (await reader.look(namespace, key)).found


async def test_a_miss_is_filled_with_the_answer_itself(api: Api, reader: Reader) -> None:
    made = await api.sign_up()
    lookup = await _cached_session(api, reader, made)
    assert VerifySessionResponse.FromString(lookup.value).user == made.user
    assert 0 < lookup.ttl.ToMilliseconds() <= 30_000
    lease = await reader.lease("profiles", made.user.id)
    user = await api.users.GetUser(GetUserRequest(user_id=made.user.id), metadata=lease)
    await until(lambda: _is_cached(reader, "profiles", made.user.id))
    lookup = await reader.look("profiles", made.user.id)
    assert resources_pb2.User.FromString(lookup.value) == user
    assert 30_000 < lookup.ttl.ToMilliseconds() <= 300_000


async def test_no_entry_holds_the_token(api: Api, reader: Reader) -> None:
    """S1."""
    made = await api.sign_up()
    assert made.token.encode() not in (await _cached_session(api, reader, made)).value


async def test_without_a_miss_nothing_is_filled(api: Api, reader: Reader) -> None:
    made = await api.sign_up()
    await api.sessions.VerifySession(VerifySessionRequest(token=made.token))
    assert not (await reader.look("sessions", token_hash(made.token))).found


async def test_a_token_that_opens_nothing_is_remembered_for_a_while(api: Api, reader: Reader) -> None:
    key = token_hash("nothing")
    lease = await reader.lease("sessions", key)
    with pytest.raises(AioRpcError, match="the token opens no session"):
        await api.sessions.VerifySession(VerifySessionRequest(token="nothing"), metadata=lease)
    await until(lambda: _is_cached(reader, "sessions", key))
    lookup = await reader.look("sessions", key)
    assert (lookup.absent, lookup.value) == (True, b"")
    assert 0 < lookup.ttl.ToMilliseconds() <= 5_000


async def test_a_session_that_has_ended_is_not_kept_as_one_that_never_was(api: Api, reader: Reader) -> None:
    """A reader that missed while it was open finds the session; whoever misses later finds that there is none."""
    made = await api.sign_up()
    assert not (await _cached_session(api, reader, made)).absent
    await api.auth.SignOut(SignOutRequest(token=made.token))
    lease = await reader.lease("sessions", token_hash(made.token))
    with pytest.raises(AioRpcError):
        await api.sessions.VerifySession(VerifySessionRequest(token=made.token), metadata=lease)
    await until(lambda: _is_cached(reader, "sessions", token_hash(made.token)))
    assert (await reader.look("sessions", token_hash(made.token))).absent


async def test_an_end_is_confirmed_once_a_near_cache_has_applied_it(api: Api, reader: Reader, cache: Process) -> None:
    """S4: within the 200 ms that the call waits."""
    async with client(cache, caller="gateway") as channel, watching(channel) as near:
        made = await api.sign_up()
        assert (await api.auth.SignOut(SignOutRequest(token=made.token))).confirmed
        assert near.tags[-1] == [f"session:{made.session.id}"]
        made = await api.sign_up()
        request = RevokeSessionRequest(user_id=made.user.id, session_id=made.session.id)
        assert (await api.sessions.RevokeSession(request)).confirmed
        made = await api.sign_up()
        ended = await api.sessions.RevokeAllSessions(RevokeAllSessionsRequest(user_id=made.user.id))
        assert ended.confirmed
        assert near.tags[-1] == [f"sessions:{made.user.id}"]


async def test_an_end_that_a_near_cache_has_not_applied_is_answered_unconfirmed(api: Api, cache: Process) -> None:
    """S4: the call waits 200 ms, the invalidation as long as the near cache may serve."""
    made = await api.sign_up()
    async with client(cache, caller="gateway") as channel, watching(channel, applies=False) as near:
        answer = await api.auth.SignOut(SignOutRequest(token=made.token))
        assert (answer.revoked, answer.confirmed) == (True, False)
        assert near.is_serving
        assert near.tags[-1] == [f"session:{made.session.id}"]


@pytest.mark.parametrize("change", ["sign out", "revoke", "revoke all", "change password", "update", "delete"])
async def test_a_change_is_out_of_the_cache_when_its_call_returns(api: Api, reader: Reader, change: str) -> None:
    """S4, R16: the next look is a miss."""
    made = await api.sign_up()
    await _cached_session(api, reader, made)
    user_id = made.user.id
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "sign out": lambda: api.auth.SignOut(SignOutRequest(token=made.token)),
        "revoke": lambda: api.sessions.RevokeSession(RevokeSessionRequest(user_id=user_id, session_id=made.session.id)),
        "revoke all": lambda: api.sessions.RevokeAllSessions(RevokeAllSessionsRequest(user_id=user_id)),
        "change password": lambda: api.auth.ChangePassword(
            ChangePasswordRequest(user_id=user_id, current_password=PASSWORD, new_password=PASSWORD + "!")
        ),
        "update": lambda: api.users.UpdateUser(UpdateUserRequest(user=resources_pb2.User(id=user_id, name="Zoë"))),
        "delete": lambda: api.users.DeleteUser(DeleteUserRequest(user_id=user_id)),
    }
    await calls[change]()
    assert not (await reader.look("sessions", token_hash(made.token))).found


async def test_a_reader_that_missed_before_a_change_cannot_put_the_old_value_back(api: Api, reader: Reader) -> None:
    """R16."""
    made = await api.sign_up()
    lease = await reader.lease("profiles", made.user.id)
    await api.users.UpdateUser(UpdateUserRequest(user=resources_pb2.User(id=made.user.id, name="Zoë")))
    refusals = await reader.refusals("profiles")
    await api.users.GetUser(GetUserRequest(user_id=made.user.id), metadata=lease)

    async def is_refused() -> bool:
        return await reader.refusals("profiles") == refusals + 1

    await until(is_refused)
    assert not (await reader.look("profiles", made.user.id)).found


async def test_a_client_that_leaves_after_the_commit_leaves_no_old_entry(
    cache: Process, reader: Reader, tmp_path: Path
) -> None:
    """R2: a failpoint holds the call between its commit and the invalidation while the client cancels it."""
    gate = tmp_path / "gate"
    with identity_on(
        tmp_path / "trivet.db",
        TRIVET_CACHE_ADDRESS=cache.address,
        TRIVET_FAILPOINTS=f"identity.after_commit=pause:{gate}",
    ) as running:
        gate.touch()  # open at first: a sign-up commits too
        async with client(running) as channel:
            api = stubs(channel)
            made = await api.sign_up()
            await _cached_session(api, reader, made)
            gate.unlink()
            (tmp_path / "gate.reached").unlink()
            call = api.auth.SignOut(SignOutRequest(token=made.token))
            await until((tmp_path / "gate.reached").exists)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await _is_cached(reader, "sessions", token_hash(made.token))
            gate.touch()
            await until(lambda: _is_gone(reader, made))


async def _is_gone(reader: Reader, made: SignUpResponse) -> bool:
    return not await _is_cached(reader, "sessions", token_hash(made.token))


@pytest.mark.parametrize("failpoint", ["identity.after_commit", "identity.after_invalidation"])
async def test_a_crash_around_the_invalidation_leaves_it_to_the_next_life(
    cache: Process, reader: Reader, tmp_path: Path, failpoint: str
) -> None:
    """R2, R24: kill -9 between the commit and the confirmation; the relay sends what the crash left."""
    database = tmp_path / "trivet.db"
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address) as running:
        async with client(running) as channel:
            made = await stubs(channel).sign_up()
            await _cached_session(stubs(channel), reader, made)
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address, TRIVET_FAILPOINTS=f"{failpoint}=crash") as running:
        async with client(running) as channel:
            with pytest.raises(Exception, match="UNAVAILABLE"):
                await stubs(channel).auth.SignOut(SignOutRequest(token=made.token))
    if failpoint == "identity.after_commit":
        assert await _is_cached(reader, "sessions", token_hash(made.token))
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address, TRIVET_RELAY_SECONDS="0.1"):
        await until(lambda: _is_gone(reader, made))


async def test_a_promotion_reaches_the_cache_through_the_relay(cache: Process, reader: Reader, tmp_path: Path) -> None:
    """S2: an operator's change; the sessions of the old role end."""
    database = tmp_path / "trivet.db"
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address, TRIVET_RELAY_SECONDS="0.1") as running:
        async with client(running) as channel:
            made = await stubs(channel).sign_up("root@x.io")
            await _cached_session(stubs(channel), reader, made)
            await promote(f"sqlite:///{database}", "Root@X.io")
            await until(lambda: _is_gone(reader, made))
            user = await stubs(channel).users.GetUser(GetUserRequest(user_id=made.user.id))
            assert user.role == resources_pb2.ROLE_ADMIN


async def test_a_dead_cache_costs_a_change_little_and_a_check_nothing(tmp_path: Path) -> None:
    """R14: nobody listens where the cache should be."""
    with identity_on(tmp_path / "trivet.db", TRIVET_CACHE_ADDRESS="127.0.0.1:1") as running:
        async with client(running) as channel:
            api = stubs(channel)
            made = await api.sign_up()
            await api.sessions.VerifySession(
                VerifySessionRequest(token=made.token), metadata=(("trivet-lease", "epoch:1"),)
            )
            assert (await api.auth.SignOut(SignOutRequest(token=made.token), timeout=1)).revoked
