"""What is said to providers: how long, how much, and nothing twice."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from services.identity.oauth.errors import ExchangeError
from services.identity.oauth.providers.http_client import MAX_BYTES, open_provider_http
from services.identity.oauth.providers.provider_http import ProviderHttp
from tests.harness.waiting import taking
from tests.oauth.provider import Provider, bomb
from trivet.client import within


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.reset()
    return running


@pytest.fixture
async def http() -> AsyncIterator[ProviderHttp]:
    async with open_provider_http(loopback=True, seconds=2.0) as opened:
        yield opened


def text(size: int) -> bytes:
    """Return a JSON text of so many bytes."""
    return b'"' + b"a" * (size - 2) + b'"'


async def test_an_answer_of_a_mebibyte_is_the_longest(http: ProviderHttp, provider: Provider) -> None:
    provider.switches.userinfo = text(MAX_BYTES)
    assert len(await http.get(f"{provider.issuer}/userinfo")) == MAX_BYTES - 2
    provider.switches.userinfo = text(MAX_BYTES + 1)
    with pytest.raises(ExchangeError, match="too long"):
        await http.get(f"{provider.issuer}/userinfo")


async def test_a_packed_answer_counts_as_what_it_unpacks_to(http: ProviderHttp, provider: Provider) -> None:
    provider.switches.userinfo_gzip = True
    provider.switches.userinfo = gzip.compress(text(MAX_BYTES))
    assert len(await http.get(f"{provider.issuer}/userinfo")) == MAX_BYTES - 2
    for packed in (gzip.compress(text(MAX_BYTES + 1)), bomb(50_000_000)):
        assert len(packed) < MAX_BYTES
        provider.switches.userinfo = packed
        with pytest.raises(ExchangeError, match="too long"):
            await http.get(f"{provider.issuer}/userinfo")
    provider.switches.userinfo = b"not packed at all"
    with pytest.raises(ExchangeError, match="damaged"):
        await http.get(f"{provider.issuer}/userinfo")


async def test_an_answer_is_read_as_javascript_reads_it(http: ProviderHttp, provider: Provider) -> None:
    """Half a surrogate pair in a name would end in the database's error."""
    provider.switches.userinfo = b'\xef\xbb\xbf{"name": "Ann\\ud83d", "score": 1e999}'
    answer = await http.get(f"{provider.issuer}/userinfo")
    assert answer["name"] == "Ann\ufffd"


async def test_an_answer_ends_with_the_callers_time(http: ProviderHttp, provider: Provider) -> None:
    provider.switches.token_hangs = True
    with taking(0.15, 4), within(0.2), pytest.raises(ExchangeError, match="does not answer"):
        await http.post(f"{provider.issuer}/token", {"a": "b"})


async def test_what_was_sent_is_in_no_error(http: ProviderHttp, provider: Provider) -> None:
    """O4, O5."""
    provider.switches.token_answer = (400, json.dumps({"error": "echo a-secret"}).encode())
    with pytest.raises(ExchangeError) as caught:
        await http.post(f"{provider.issuer}/token", {"code": "a-secret"}, basic=("id", "a-secret"))
    assert caught.value.refused
    with pytest.raises(ExchangeError) as away:
        await http.post("http://127.0.0.1:1/token", {"code": "a-secret"}, basic=("id", "a-secret"))
    assert not away.value.refused
    assert "a-secret" not in f"{caught.value}{away.value}{away.value.__cause__}"
