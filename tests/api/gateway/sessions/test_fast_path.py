"""get-session from memory: it answers what the long way answers, and takes the long way wherever that says more.

Everything is asked twice: of granian, whose thread answers hits itself, and of the application alone on the event loop.
"""

import asyncio
import dataclasses
import socket
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.sessions.fast_path import OffLoopFastPath
from runtime.errors import Unavailable
from tests.api.gateway.conftest import PAGE
from tests.api.gateway.sessions.session_scene import LONG_WAY, PATH, TOKEN, Scene, holding, session, shown
from tests.api.gateway.stand_ins import verify
from tests.differential.spellings import spelled
from trivet.cache.v1.cache_pb2 import GetResponse, Lookup, Position
from trivet.client.near import near_cache
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest

RAW_LONG_WAY = [(name.encode(), value.encode()) for name, value in LONG_WAY.items()]


@pytest.mark.parametrize(
    "extra",
    [{}, {"origin": PAGE}, {"origin": "https://evil.example"}, {"accept": "text/html"}, {"x_request_id": "mine-1"}],
    ids=str,
)
@pytest.mark.parametrize("scene", [{}, {"base_url": "https://api.example.com"}], indirect=True, ids=["http", "https"])
async def test_a_hit_answers_what_the_long_way_answers_without_a_call(scene: Scene, extra: dict[str, str]) -> None:
    hit = await scene.check(**scene.cookie, **extra)
    assert scene.calls == []
    assert shown(hit) == shown(await scene.check(**scene.cookie, **extra, **LONG_WAY))
    assert hit.json()["session"]["token"] == TOKEN


async def test_a_request_keeps_its_name_or_is_given_one_of_its_own(scene: Scene) -> None:
    ids = [(await scene.check(**scene.cookie)).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert {len(one) for one in ids} == {32}
    assert (await scene.check(**scene.cookie, x_request_id="mine-1")).headers["x-request-id"] == "mine-1"
    assert (await scene.check(**scene.cookie, x_request_id="not one")).headers["x-request-id"] != "not one"


@pytest.mark.parametrize("bare", [True, False])
async def test_a_bearer_token_is_a_hit_too(scene: Scene, bare: bool) -> None:
    token = TOKEN if bare else scene.deps.reader.cookies.signer.sign(TOKEN)
    answer = await scene.check(authorization=f"Bearer {token}")
    assert (answer.json()["session"]["token"], scene.calls) == (TOKEN, [])


async def test_a_signature_that_is_not_ours_opens_nothing(scene: Scene) -> None:
    """S6: flipping any character is refused, held or not."""
    cookie = scene.cookie["cookie"]
    for place in range(len(cookie) - 45, len(cookie)):
        flipped = "A" if cookie[place] != "A" else "B"
        answer = await scene.check(cookie=cookie[:place] + flipped + cookie[place + 1 :])
        assert answer.json() is None, place


async def test_a_signature_that_was_found_good_is_not_good_for_another_secret(scene: Scene) -> None:
    """S6: what is remembered of signatures goes with the secret that made them."""
    deps, cookie, loop = scene.deps, scene.cookie["cookie"].encode(), asyncio.get_running_loop()
    settings = deps.settings.model_copy(update={"secret": SecretStr("another secret, as long as one has to be")})
    rotated = OffLoopFastPath(dataclasses.replace(deps, settings=settings), loop)
    same = OffLoopFastPath(deps, loop)

    def asked() -> dict[str, Any]:
        return {"path": PATH, "method": "GET", "query_string": b"", "headers": [(b"host", b"h"), (b"cookie", cookie)]}

    assert [same(asked()) is None for _ in range(2)] == [False, False]
    assert [rotated(asked()) is None for _ in range(2)] == [True, True]


async def test_a_planted_cookie_before_the_right_one_does_not_sign_out(scene: Scene) -> None:
    name = scene.deps.reader.cookies.session_token
    answer = await scene.check(cookie=f"a=1; {name}=planted; {scene.cookie['cookie']}")
    assert answer.json()["session"]["token"] == TOKEN


async def test_a_cookie_among_others_is_found(scene: Scene) -> None:
    name = scene.deps.reader.cookies.session_token
    assert (await scene.check(cookie=f"a=1; {scene.cookie['cookie']}; b=2")).json()["session"]["token"] == TOKEN
    assert scene.calls == []
    assert (await scene.check(cookie=f"x{name}=no; {scene.cookie['cookie']}")).json()["session"]["token"] == TOKEN


@pytest.mark.parametrize("unusual", spelled(""))
async def test_a_cookie_in_another_spelling_is_the_same_hit(scene: Scene, unusual: str) -> None:
    """The table is what the original reads; memory answers all of it without a call."""
    cookies = scene.deps.reader.cookies
    cookie = spelled(cookies.signer.sign(TOKEN), cookies.session_token)[unusual].encode("latin-1")
    hit = await scene.http.get(PATH, headers=[(b"cookie", cookie)])
    assert hit.json()["session"]["token"] == TOKEN
    assert scene.calls == []
    assert shown(hit) == shown(await scene.http.get(PATH, headers=[(b"cookie", cookie), *RAW_LONG_WAY]))


@pytest.mark.parametrize("gap", ["", " ", "  ", "\t", " ; "])
async def test_of_two_session_cookies_the_same_one_counts_as_on_the_long_way(scene: Scene, gap: str) -> None:
    """Both are signed, for two people: a check must not depend on which way it went."""
    cookies = scene.deps.reader.cookies
    other = f"{cookies.session_token}={cookies.signer.sign('X' * 32)}"
    for pair in ((scene.cookie["cookie"], other), (other, scene.cookie["cookie"])):
        cookie = f"a=1;{gap}{pair[0]}; {pair[1]}"
        assert shown(await scene.check(cookie=cookie)) == shown(await scene.check(cookie=cookie, **LONG_WAY))


async def test_nothing_is_answered_from_memory_without_a_live_watch(scene: Scene) -> None:
    """S4: then the cache service is asked."""
    scene.near.serves_until = scene.near.monotonic() - 1
    await scene.check(**scene.cookie)
    assert scene.calls == ["Get"]


async def test_a_session_that_has_ended_is_not_answered_from_memory(scene: Scene) -> None:
    """S4: what Watch tells counts at once."""
    scene.near.invalidate(near_cache.StreamPosition("e", 2), ["session:s"])
    scene.services.answers["Get"] = GetResponse(lookup=Lookup(position=Position(epoch="e", offset=2)))
    scene.services.answers["VerifySession"] = lambda _: verify(VerifySessionRequest(token="x" * 32))
    assert (await scene.check(**scene.cookie)).json() is None


@pytest.mark.parametrize("times", [{"expire_time": 1_000_000}, {"slide_time": 1_000_000}], ids=str)
async def test_one_that_has_run_out_or_is_due_to_slide_goes_the_long_way(scene: Scene, times: dict[str, int]) -> None:
    scene.services.answers["Get"] = holding(session(**times))
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    await scene.check(**scene.cookie)
    await scene.check(**scene.cookie)
    asked = {"expire_time": "VerifySession", "slide_time": "RefreshSession"}[next(iter(times))]
    assert scene.calls.count(asked) == 2


@pytest.mark.parametrize("scene", [{"rate_limit": "on"}], indirect=True)
async def test_hits_are_limited_as_every_request_is(scene: Scene) -> None:
    """H6: a hundred in ten seconds, without a call."""
    statuses = [(await scene.check(**scene.cookie)).status_code for _ in range(101)]
    assert statuses[-1] == 429
    assert statuses[:99] == [200] * 99


@pytest.mark.parametrize("scene", [{"cookie_cache": "compact"}], indirect=True)
async def test_where_session_data_is_written_every_answer_may_set_it(scene: Scene) -> None:
    answer = await scene.check(**scene.cookie)
    assert "session_data" in answer.headers["set-cookie"]


async def test_another_method_or_a_query_goes_the_long_way(scene: Scene) -> None:
    assert (await scene.http.post(PATH, headers={**scene.cookie, "origin": PAGE})).status_code == 405
    assert (await scene.http.get(f"{PATH}?disableRefresh=true", headers=scene.cookie)).status_code == 200


@pytest.mark.parametrize(
    ("target", "extra", "content"),
    [
        ("/api%2Fauth/get-session", {}, b""),
        ("/api/auth/get%2Dsession", {}, b""),
        (PATH, {"content-encoding": "gzip"}, b""),
        (PATH, {}, b"x" * 2_000_000),
        (PATH, {"transfer-encoding": "chunked"}, b"x"),
    ],
    ids=["%2F", "%2D", "encoded", "a large body", "a chunked body"],
)
async def test_other_spellings_and_bodies_are_answered_as_on_the_long_way(
    scene: Scene, target: str, extra: dict[str, str], content: bytes
) -> None:
    statuses = []
    for headers in ({}, LONG_WAY):
        asked = scene.http.build_request(
            "GET", target, headers={**scene.cookie, **extra, **headers}, content=content or None
        )
        statuses.append((await scene.http.send(asked)).status_code)
    assert statuses[0] == statuses[1]


async def test_a_session_that_is_not_held_is_read_and_answered_without_the_long_way(scene: Scene) -> None:
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    cold = await scene.check(**scene.cookie)
    assert scene.calls == ["Get"]
    assert shown(cold) == shown(await scene.check(**scene.cookie, **LONG_WAY))


@pytest.mark.parametrize("scene", [{"rate_limit": "on"}], indirect=True)
async def test_where_limits_are_on_it_is_read_as_well_and_its_own_gateway_counts_it(scene: Scene) -> None:
    """As in production: the cache service is asked for the session alone, not for a window too."""
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    assert (await scene.check(**scene.cookie)).json()["session"]["token"] == TOKEN
    assert scene.calls == ["Get"]
    statuses = [(await scene.check(**scene.cookie)).status_code for _ in range(100)]
    assert (statuses[:97], statuses[-1]) == ([200] * 97, 429)


@pytest.mark.parametrize("scene", [{"rate_limit": "on"}], indirect=True)
async def test_where_limits_are_on_tokens_that_open_nothing_are_refused_before_they_are_asked_for(scene: Scene) -> None:
    cookies = scene.deps.reader.cookies
    unknown = {"cookie": f"{cookies.session_token}={cookies.signer.sign('X' * 32)}"}
    statuses = [(await scene.check(**unknown)).status_code for _ in range(101)]
    assert (statuses[0], statuses[-1]) == (200, 429)
    scene.services.calls.clear()
    assert (await scene.check(**unknown)).status_code == 429
    assert "VerifySession" not in scene.calls


async def test_what_opens_nothing_is_asked_for_once(scene: Scene) -> None:
    cookies = scene.deps.reader.cookies
    answer = await scene.check(cookie=f"{cookies.session_token}={cookies.signer.sign('X' * 32)}")
    assert (answer.json(), scene.calls) == (None, ["Get", "VerifySession"])
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_where_nobody_can_tell_nobody_is_asked_again_and_nobody_is_signed_out(scene: Scene) -> None:
    """R3: a dead identity costs its time-out once."""
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    scene.services.answers |= {"Get": GetResponse(), "VerifySession": Unavailable("STORE_UNAVAILABLE", "away")}
    answer = await scene.check(**scene.cookie)
    assert answer.status_code == 503
    asked = scene.calls.count("VerifySession")
    scene.services.calls.clear()
    assert (await scene.check(**scene.cookie, **LONG_WAY)).status_code == 503
    assert scene.calls.count("VerifySession") == asked


@pytest.mark.parametrize("scene", [{"rate_limit": "on"}], indirect=True)
async def test_what_is_not_held_is_counted_by_all_before_anybody_is_asked(scene: Scene) -> None:
    """H6: or every worker would evaluate the guesses that another has refused."""
    for _ in range(100):
        await scene.check(**scene.cookie)
    scene.services.calls.clear()
    guess = await scene.check(authorization=f"Bearer {'Y' * 32}")
    assert (guess.status_code, scene.calls) == (429, [])


def blocking(http: httpx.AsyncClient, **headers: str) -> bytes:
    """Ask without the event loop, which stands still meanwhile; raise TimeoutError if nobody answers."""
    lines = [f"GET {PATH} HTTP/1.1", "host: h", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", http.base_url.port or 0), 0.5) as asked:
        asked.sendall("\r\n".join(lines).encode())
        return asked.recv(65_536)


@pytest.mark.parametrize("way", ["ahead"], indirect=True)
async def test_a_hit_is_answered_while_the_event_loop_stands_still(scene: Scene) -> None:
    assert blocking(scene.http, **scene.cookie).startswith(b"HTTP/1.1 200")
    with pytest.raises(TimeoutError):
        blocking(scene.http, **scene.cookie, **LONG_WAY)


@pytest.mark.parametrize("way", ["ahead"], indirect=True)
async def test_what_ended_is_refused_by_granians_thread_at_once(scene: Scene) -> None:
    """S4: nothing but the near cache is between the Watch and the answer."""
    scene.near.invalidate(near_cache.StreamPosition("e", 2), ["session:s"])
    with pytest.raises(TimeoutError):
        blocking(scene.http, **scene.cookie)
