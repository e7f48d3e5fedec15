"""Warnings for operators whose pages cannot work: each names the mend, and is given once."""

import pytest

from gateway.http.origin_advice import MAX_REMEMBERED, OriginAdvice

PAGE = "http://localhost:5173"


def test_an_untrusted_origin_is_named_once_with_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    advice = OriginAdvice()
    for _ in range(3):
        advice.consider("https://shop.example.com", "api.example.com", trusted=False)
    (message,) = caplog.messages
    assert "https://shop.example.com" in message
    assert "TRIVET_TRUSTED_ORIGINS" in message


@pytest.mark.parametrize(
    ("host", "mend"),
    [
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://localhost:8080"),
        ("127.0.0.1", "http://localhost:80"),
    ],
)
def test_a_page_under_the_other_name_of_this_machine_is_told_the_address_to_call(
    caplog: pytest.LogCaptureFixture, host: str, mend: str
) -> None:
    advice = OriginAdvice()
    for _ in range(3):
        advice.consider(PAGE, host, trusted=True)
    (message,) = caplog.messages
    assert message.endswith(f"set the client's baseURL to {mend}")


@pytest.mark.parametrize("host", ["localhost:8080", "app.example.com", "", "[", "127.0.0.1.example.com"])
def test_a_page_whose_cookies_come_along_causes_no_warning(caplog: pytest.LogCaptureFixture, host: str) -> None:
    OriginAdvice().consider(PAGE, host, trusted=True)
    assert caplog.messages == []


def test_a_page_without_an_origin_causes_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """No setting could name it."""
    OriginAdvice().consider("null", "api.example.com", trusted=False)
    assert caplog.messages == []


def test_strangers_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    advice = OriginAdvice()
    for number in range(2 * MAX_REMEMBERED):
        advice.consider(f"https://{number}.evil.example/{'x' * 10_000}", "api.example.com", trusted=False)
    assert len(caplog.messages) == MAX_REMEMBERED
    assert max(map(len, caplog.messages)) <= 400
