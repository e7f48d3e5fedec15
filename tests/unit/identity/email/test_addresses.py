"""Which addresses are taken: of people who sign up, and of people whom another system vouches for."""

import pytest

from runtime.errors import InvalidArgument
from services.identity.email.addresses import foreign_email, normal_email

FOREIGN = [
    "r&d@x.io",
    "root@localhost",
    "x@münchen.example",
    "x@example.xn--p1ai",
    "jörg@münchen.example",
    "a/b=c@x.io",
    "first.last.@docomo.example",
    "a..b@docomo.example",
    "x@a_b.example",
    "пользователь@пример.рф",
]


@pytest.mark.parametrize("address", [*FOREIGN, "Ann@X.io", "a+b@x.io"])
def test_what_another_system_vouches_for_is_taken_in_lower_case(address: str) -> None:
    """B10."""
    assert foreign_email(address) == address.lower()


@pytest.mark.parametrize("address", FOREIGN)
def test_nobody_signs_up_with_what_the_original_refuses(address: str) -> None:
    with pytest.raises(InvalidArgument):
        normal_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@x.io",
        "ann@",
        "ann@x..io",
        "ann@.x.io",
        "ann@-x.io",
        "a b@x.io",
        "ann@x io",
        "ann@x.io\n",
        "ann\r\nBcc: b@x.io@x.io",
        "a@b@x.io",
        "<ann@x.io>",
        "ann@x.io,b@x.io",
        "ann@x.io\u2028",
        "ann\u202e@x.io",
        "ann@x\u200b.io",
        "a" * 251 + "@x.io",
    ],
)
def test_what_no_mail_can_be_sent_to_is_refused(address: str) -> None:
    """I7: nor what would end a header's line, or be read in another order than it is written."""
    with pytest.raises(InvalidArgument):
        foreign_email(address)
