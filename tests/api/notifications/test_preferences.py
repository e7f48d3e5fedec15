"""Preferences through the real processes: what is asked and refused, and what the cache holds of them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import grpc
import pytest

from tests.api.notifications.conftest import Api, Refusal, refusal
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import acting_for
from trivet.client.lease import METADATA_KEY, format_lease
from trivet.notifications.v1 import delivery_service_pb2 as pb
from trivet.notifications.v1.notification_service_pb2 import (
    NOTIFICATION_TYPE_EMAIL,
    NOTIFICATION_TYPE_IN_APP,
    NotificationType,
)
from trivet.notifications.v1.user_data_service_pb2 import EraseUserDataRequest

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def news(user: str = "", *, enabled: bool = False) -> pb.SetPreferenceRequest:
    said = pb.Preference(user_id=user, topic="news", type=NOTIFICATION_TYPE_IN_APP, enabled=enabled)
    return pb.SetPreferenceRequest(preference=said)


async def test_a_person_says_what_they_want_and_is_told_no_more(api: Api, running: Process, user: str) -> None:
    async with client(running, caller="gateway") as channel:
        theirs = Api(channel)
        with acting_for(user, "user"):
            said = await theirs.preferences.SetPreference(news())
            assert (said.user_id, said.topic, said.enabled) == (user, "news", False)
            listed = await theirs.preferences.ListPreferences(pb.ListPreferencesRequest())
    assert list(listed.preferences) == [said]
    refused = await refusal(api.create(user, topic="news"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UNWANTED")
    await api.create(user, topic="orders")


WRONG: dict[str, tuple[pb.Preference, str]] = {
    "no type": (pb.Preference(user_id="u", topic="news", enabled=False), "preference.type"),
    "no type of ours": (
        pb.Preference(user_id="u", topic="news", type=NotificationType.ValueType(9), enabled=False),
        "preference.type",
    ),
    "no topic": (pb.Preference(user_id="u", type=NOTIFICATION_TYPE_EMAIL, enabled=True), "preference.topic"),
    "nobody": (pb.Preference(topic="news", type=NOTIFICATION_TYPE_EMAIL, enabled=True), "preference.user_id"),
    "of the account": (
        pb.Preference(user_id="u", topic="account.x", type=NOTIFICATION_TYPE_EMAIL, enabled=False),
        "preference.topic",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_not_said_in_full_is_refused_by_name(api: Api, case: str) -> None:
    said, field = WRONG[case]
    refused = await refusal(api.preferences.SetPreference(pb.SetPreferenceRequest(preference=said)))
    assert (refused.code, refused.fields) == (INVALID, (field,))


async def test_a_service_that_names_nobody_is_told_so(api: Api) -> None:
    refused = await refusal(api.preferences.ListPreferences(pb.ListPreferencesRequest()))
    assert refused == Refusal(INVALID, "REQUIRED_FIELD_MISSING", ("user_id",))


@dataclass(frozen=True)
class Kept:
    """The service, who may erase, and the cache as the gateway reads it."""

    api: Api
    ops: Api
    cache: CacheServiceStub

    async def look(self, user: str) -> Lookup:
        return (await self.cache.Get(GetRequest(namespace="preferences", key=user))).lookup

    async def lease(self, user: str) -> tuple[tuple[str, str], ...]:
        return ((METADATA_KEY, format_lease((await self.look(user)).position)),)

    async def ask(self, user: str, lease: tuple[tuple[str, str], ...]) -> None:
        await self.api.preferences.ListPreferences(pb.ListPreferencesRequest(user_id=user), metadata=lease)

    async def filled(self, user: str) -> list[bool]:
        """Miss, have the answer filled, and return what the cache then holds of the one topic."""
        await self.ask(user, await self.lease(user))

        async def is_kept() -> bool:
            return (await self.look(user)).found

        await until(is_kept, 2)
        lookup = await self.look(user)
        assert 0 < lookup.ttl.ToMilliseconds() <= 30_000
        return [each.enabled for each in pb.ListPreferencesResponse.FromString(lookup.value).preferences]


@pytest.fixture(scope="module")
def cache(engine: Engines) -> Iterator[Process]:
    with process("cache", REDIS_URL=engine.get("valkey").url) as started:
        yield started


@pytest.fixture(scope="module")
def cached(cache: Process, mongodb_url: str) -> Iterator[Process]:
    with process("notifications", MONGODB_URI=mongodb_url, TRIVET_CACHE_ADDRESS=cache.address) as started:
        yield started


@pytest.fixture
async def kept(cached: Process, cache: Process) -> AsyncIterator[Kept]:
    async with (
        client(cached) as channel,
        client(cached, caller="ops") as ops,
        client(cache, caller="gateway") as reader,
    ):
        yield Kept(Api(channel), Api(ops), CacheServiceStub(reader))


async def test_a_change_is_out_of_the_cache_when_its_call_returns(kept: Kept, user: str) -> None:
    """R16: also that nothing was said is kept."""
    assert await kept.filled(user) == []
    for enabled in (False, True):
        await kept.api.preferences.SetPreference(news(user, enabled=enabled))
        assert not (await kept.look(user)).found
        assert await kept.filled(user) == [enabled]
    await kept.ops.data.EraseUserData(EraseUserDataRequest(user_id=user))
    assert not (await kept.look(user)).found


async def test_a_reader_that_missed_before_a_change_cannot_put_the_old_answer_back(kept: Kept, user: str) -> None:
    """R16: what is kept in the end is what came after the change."""
    late = await kept.lease(user)
    await kept.api.preferences.SetPreference(news(user))
    await kept.ask(user, late)
    assert await kept.filled(user) == [False]
