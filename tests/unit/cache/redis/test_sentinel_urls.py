"""How a service behind sentinels is named."""

import pytest

from services.cache.redis.sentinels import NoPrimaryError, Sentinels


@pytest.mark.parametrize(
    ("url", "addresses", "service", "redis_url"),
    [
        ("redis+sentinel://a/s", [("a", 26379)], "s", "redis://primary/0"),
        ("redis+sentinel://a:1,b:2,[::1]:3/s/4", [("a", 1), ("b", 2), ("::1", 3)], "s", "redis://primary/4"),
        ("redis+sentinel://me:p%40ss@a:1,b/s", [("a", 1), ("b", 26379)], "s", "redis://me:p%40ss@primary/0"),
        (
            "rediss+sentinel://:p@a:1/s?ssl_ca_certs=/c.pem",
            [("a", 1)],
            "s",
            "rediss://:p@primary/0?ssl_ca_certs=/c.pem",
        ),
    ],
)
def test_a_url_names_sentinels_service_and_how_the_servers_are_reached(
    url: str, addresses: list[tuple[str, int]], service: str, redis_url: str
) -> None:
    found = Sentinels.of(url)
    assert found is not None
    assert (found.addresses, found.service, found.redis_url) == (tuple(addresses), service, redis_url)


def test_the_sentinels_own_password_is_no_servers() -> None:
    found = Sentinels.of("redis+sentinel://:servers@a/s?sentinel_username=me&sentinel_password=p%40s/s&ssl_ca_certs=/c")
    assert found is not None
    assert found.redis_url == "redis://:servers@primary/0?ssl_ca_certs=/c"
    assert found.url == "redis://me:p%40s%2Fs@sentinel?ssl_ca_certs=/c"
    assert "p%40s" not in repr(found)


@pytest.mark.parametrize("url", ["redis://a:1/0", "rediss://a", "unix:///s"])
def test_what_is_one_server_has_no_sentinels(url: str) -> None:
    assert Sentinels.of(url) is None


@pytest.mark.parametrize(
    "url", ["redis+sentinel://a:1", "redis+sentinel://a/s/x", "redis+sentinel:///s", "redis+sentinel://a,,b/s"]
)
def test_what_is_not_of_that_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sentinel"):
        Sentinels.of(url)


async def test_where_no_sentinel_answers_there_is_no_primary() -> None:
    sentinels = Sentinels.of("redis+sentinel://127.0.0.1:1,127.0.0.1:2/s")
    assert sentinels is not None
    with pytest.raises(NoPrimaryError):
        await sentinels.primary()
