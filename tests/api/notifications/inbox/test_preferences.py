"""Preferences through the real processes: what is asked and refused, and what the cache holds of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from tests.api.notifications.conftest import Api, Refusal, refusal
from tests.api.notifications.inbox.cached_answers import Kept, Lease
from tests.harness.processes import Process, client
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import acting_for
from trivet.notifications.v1 import preference_service_pb2 as pb
from trivet.notifications.v1.resources_pb2 import (
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
class Caching:
    """The service, and what the cache holds of its answers."""

    api: Api
    kept: Kept

    async def fill(self, user: str) -> list[bool]:
        """Return what the cache holds of the one topic after a miss."""
        said = pb.ListPreferencesResponse.FromString(await self.kept.fill(user))
        return [each.enabled for each in said.preferences]


@pytest.fixture
async def at(caching: Process, reader: CacheServiceStub) -> AsyncIterator[Caching]:
    async with client(caching) as channel:
        api = Api(channel)

        async def ask(user: str, lease: Lease) -> None:
            await api.preferences.ListPreferences(pb.ListPreferencesRequest(user_id=user), metadata=lease)

        yield Caching(api, Kept(reader, "preferences", ask))


async def test_a_change_is_out_of_the_cache_when_its_call_returns(at: Caching, ops: Api, user: str) -> None:
    """R16: also that nothing was said is kept, and no longer than half a minute."""
    assert await at.fill(user) == []
    assert 0 < (await at.kept.look(user)).ttl.ToMilliseconds() <= 30_000
    for enabled in (False, True):
        await at.api.preferences.SetPreference(news(user, enabled=enabled))
        assert not await at.kept.is_cacheable(user)
        assert await at.fill(user) == [enabled]
    await ops.data.EraseUserData(EraseUserDataRequest(user_id=user))
    assert not await at.kept.is_cacheable(user)


async def test_a_reader_that_missed_before_a_change_cannot_put_the_old_answer_back(at: Caching, user: str) -> None:
    """R16: what is kept in the end is what came after the change."""
    late = await at.kept.lease(user)
    await at.api.preferences.SetPreference(news(user))
    await at.kept.ask(user, late)
    assert await at.fill(user) == [False]
