"""SessionService over gRPC."""

import pytest

from runtime.paging import encode_token
from tests.api.identity.conftest import PASSWORD, Api, failure
from trivet.client import acting_for
from trivet.identity.v1.auth_service_pb2 import SignInRequest, SignUpResponse
from trivet.identity.v1.resources_pb2 import Session, SessionOrigin
from trivet.identity.v1.session_service_pb2 import (
    ListSessionsRequest,
    RefreshSessionRequest,
    RevokeAllSessionsRequest,
    RevokeOtherSessionsRequest,
    RevokeSessionRequest,
    VerifySessionRequest,
)

DAY = 24 * 60 * 60


async def _sign_in(api: Api, made: SignUpResponse, count: int) -> list[str]:
    request = SignInRequest(email=made.user.email, password=PASSWORD)
    return [(await api.auth.SignIn(request)).token for _ in range(count)]


async def test_a_session_says_when_it_ends_and_when_it_slides(api: Api) -> None:
    made = await api.sign_up()
    found = await api.sessions.VerifySession(VerifySessionRequest(token=made.token))
    created = found.session.create_time
    assert found.session.expire_time.seconds - created.seconds == 7 * DAY
    assert found.slide_time.seconds - created.seconds == DAY
    assert created.nanos % 1_000_000 == 0
    refreshed = await api.sessions.RefreshSession(RefreshSessionRequest(token=made.token))
    assert (refreshed.refreshed, refreshed.session) == (False, found.session)


async def test_an_unremembered_session_never_slides(api: Api) -> None:
    made = await api.sign_up(origin=SessionOrigin(remember_me=False))
    found = await api.sessions.VerifySession(VerifySessionRequest(token=made.token))
    assert found.session.expire_time.seconds - found.session.create_time.seconds == DAY
    assert found.slide_time == found.session.expire_time


async def test_sessions_are_listed_in_pages(api: Api) -> None:
    made = await api.sign_up()
    await _sign_in(api, made, 4)
    with acting_for(made.user.id, "user"):
        whole = list((await api.sessions.ListSessions(ListSessionsRequest())).sessions)
        pages: list[Session] = []
        token = ""
        while True:
            page = await api.sessions.ListSessions(ListSessionsRequest(page_size=2, page_token=token))
            pages += page.sessions
            if not (token := page.next_page_token):
                break
    assert pages == whole
    assert len(whole) == 5


@pytest.mark.parametrize("size", [0, -1, 10_001])
async def test_a_page_size_out_of_range_is_refused(api: Api, size: int) -> None:
    call = api.sessions.ListSessions(ListSessionsRequest(user_id="x", page_size=size))
    assert await failure(call) == ("INVALID_ARGUMENT", "INVALID_PAGE_SIZE")


async def test_a_page_token_that_somebody_made_up_is_refused(api: Api) -> None:
    made = await api.sign_up()
    await _sign_in(api, made, 2)
    first = await api.sessions.ListSessions(ListSessionsRequest(user_id=made.user.id, page_size=1))
    for user_id, token in ((made.user.id, "nonsense"), (made.user.id, "W10"), ("another", first.next_page_token)):
        call = api.sessions.ListSessions(ListSessionsRequest(user_id=user_id, page_token=token))
        assert await failure(call) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"])
async def test_a_page_token_with_a_time_that_is_none_in_utc_is_refused(api: Api, time: str) -> None:
    made = await api.sign_up()
    for place in ([time, made.session.id], [time, 1]):
        token = encode_token(place, "sessions", made.user.id)
        call = api.sessions.ListSessions(ListSessionsRequest(user_id=made.user.id, page_token=token))
        assert await failure(call) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"])
async def test_the_first_and_the_last_moment_are_places_in_a_list(api: Api, time: str) -> None:
    made = await api.sign_up()
    token = encode_token([time, made.session.id], "sessions", made.user.id)
    answer = await api.sessions.ListSessions(ListSessionsRequest(user_id=made.user.id, page_token=token))
    assert len(answer.sessions) == (1 if time.startswith("9999") else 0)


async def test_a_service_must_say_whose_sessions(api: Api) -> None:
    call = api.sessions.ListSessions(ListSessionsRequest())
    assert await failure(call) == ("INVALID_ARGUMENT", "REQUIRED_FIELD_MISSING")


async def test_revoking_takes_exactly_one_of_id_and_token(api: Api) -> None:
    made = await api.sign_up()
    for fields in ({}, {"session_id": made.session.id, "token": made.token}):
        call = api.sessions.RevokeSession(RevokeSessionRequest(user_id=made.user.id, **fields))
        assert await failure(call) == ("INVALID_ARGUMENT", "ONE_OF_REQUIRED")
    request = RevokeSessionRequest(user_id=made.user.id, token=made.token)
    assert (await api.sessions.RevokeSession(request)).revoked
    assert not (await api.sessions.RevokeSession(request)).revoked


async def test_nobody_ends_anothers_session(api: Api) -> None:
    """I6: another's session id is as good as none."""
    ann, bob = await api.sign_up(), await api.sign_up()
    with acting_for(bob.user.id, "user"):
        assert not (await api.sessions.RevokeSession(RevokeSessionRequest(session_id=ann.session.id))).revoked
        mine = RevokeAllSessionsRequest(user_id=ann.user.id)
        assert await failure(api.sessions.RevokeAllSessions(mine)) == ("PERMISSION_DENIED", "NOT_YOURS")
    await api.sessions.VerifySession(VerifySessionRequest(token=ann.token))


async def test_the_others_end_and_the_one_that_asks_stays(api: Api) -> None:
    made = await api.sign_up()
    await _sign_in(api, made, 3)
    nobody_asks = RevokeOtherSessionsRequest(user_id=made.user.id)
    assert await failure(api.sessions.RevokeOtherSessions(nobody_asks)) == (
        "INVALID_ARGUMENT",
        "REQUIRED_FIELD_MISSING",
    )
    with acting_for(made.user.id, "user", made.session.id):
        assert (await api.sessions.RevokeOtherSessions(RevokeOtherSessionsRequest())).revoked_count == 3
        assert (await api.sessions.RevokeAllSessions(RevokeAllSessionsRequest())).revoked_count == 1


async def test_a_session_to_keep_that_is_none_ends_nothing(api: Api) -> None:
    """S4: a slip of the pen does not sign the caller out."""
    ann, bob = await api.sign_up(), await api.sign_up()
    with acting_for(ann.user.id, "user", ann.session.id):
        for keep in ("x", "é", bob.session.id):
            call = api.sessions.RevokeOtherSessions(RevokeOtherSessionsRequest(keep_session_id=keep))
            assert await failure(call) == ("INVALID_ARGUMENT", "UNKNOWN_SESSION")
    await api.sessions.VerifySession(VerifySessionRequest(token=ann.token))


async def test_people_never_hand_tokens_to_us_directly(api: Api) -> None:
    made = await api.sign_up()
    with acting_for(made.user.id, "admin"):
        for call in (
            api.sessions.VerifySession(VerifySessionRequest(token=made.token)),
            api.sessions.RefreshSession(RefreshSessionRequest(token=made.token)),
            api.auth.SignIn(SignInRequest(email=made.user.email, password=PASSWORD)),
        ):
            assert await failure(call) == ("PERMISSION_DENIED", "SERVICES_ONLY")
