"""Forgotten passwords, on every engine."""

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import delete, func, select, update

from runtime.errors import ServiceError
from runtime.ids import new_id
from services.identity import schema
from services.identity.email.policy import EmailRules
from services.identity.passwords.hashing import Hasher
from tests.conformance.identity.conftest import BASE_URL, PASSWORD, Identity
from tests.conformance.identity.mailing import HERE, Mailing, mailing

NEW = "a better horse battery"


@pytest.fixture
def site(identity: Identity, hasher: Hasher) -> Mailing:
    return mailing(identity, hasher)


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


async def asked(site: Mailing, email: str = "ann@x.io") -> str:
    """Have a reset mailed; return its token."""
    await site.resets.request(email, "/reset")
    return await site.last_token()


async def counted(site: Mailing) -> list[int]:
    """Return how many rows there are that asking for a reset writes."""
    tables = (schema.verifications, schema.outbox)
    statements = [select(func.count()).select_from(table) for table in tables]
    return [(await site.identity.database.rows("tests.count", each))[0][0] for each in statements]


async def test_the_mail_has_one_link_which_leads_to_our_own_address(site: Mailing) -> None:
    """C4, I7."""
    await site.sign_up()
    token = await asked(site, "ANN@x.io")
    (mail,) = await site.mails()
    assert (mail.to, mail.about) == ("ann@x.io", "account.reset-password")
    assert await site.last_link() == f"{BASE_URL}/api/auth/reset-password/{token}?callbackURL=%2Freset"
    assert len(token) == 24
    assert token.isalnum()
    assert token not in mail.title + mail.subject


async def test_a_reset_sets_the_password_and_ends_every_session(site: Mailing) -> None:
    """A6: whoever held a session of the account before holds none afterwards."""
    user = (await site.signed_up()).user
    opened = await site.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    await site.resets.reset(await asked(site), NEW, HERE)
    assert await reason(site.identity.sessions.verify(opened.opened.token)) == "SESSION_NOT_FOUND"
    assert await reason(site.authentication.sign_in("ann@x.io", PASSWORD, HERE)) == "INVALID_EMAIL_OR_PASSWORD"
    assert (await site.authentication.sign_in("ann@x.io", NEW, HERE)).user.id == user.id
    assert "password_reset" in await site.happened()


async def test_of_twenty_resets_at_once_one_sets_its_password(site: Mailing) -> None:
    """A5: single use in parallel."""
    await site.sign_up()
    token = await asked(site)
    passwords = [f"{NEW} {number}" for number in range(20)]
    done = await asyncio.gather(
        *(site.resets.reset(token, password, HERE) for password in passwords), return_exceptions=True
    )
    assert done.count(None) == 1
    assert {each.reason for each in done if isinstance(each, ServiceError)} == {"INVALID_TOKEN"}
    assert (await site.authentication.sign_in("ann@x.io", passwords[done.index(None)], HERE)).user


async def test_a_token_is_good_for_an_hour(site: Mailing) -> None:
    """A5."""
    await site.sign_up()
    token = await asked(site)
    site.identity.clock.move(seconds=3599)
    assert await site.resets.is_valid(token)
    site.identity.clock.move(seconds=1)
    assert not await site.resets.is_valid(token)
    assert await reason(site.resets.reset(token, NEW, HERE)) == "INVALID_TOKEN"


@pytest.mark.parametrize(
    ("password", "why"),
    [("short", "PASSWORD_TOO_SHORT"), ("x" * 129, "PASSWORD_TOO_LONG"), ("password", "PASSWORD_TOO_COMMON")],
)
async def test_a_password_that_is_not_taken_spends_no_token(site: Mailing, password: str, why: str) -> None:
    await site.sign_up()
    token = await asked(site)
    assert await reason(site.resets.reset(token, password, HERE)) == why
    await site.resets.reset(token, NEW, HERE)


async def test_a_reset_ends_what_other_mails_would_do(site: Mailing) -> None:
    """A request does not void an earlier one, or strangers could keep an owner out; a reset voids them all."""
    await site.sign_up()
    tokens = [await asked(site), await asked(site)]
    assert [await site.resets.is_valid(token) for token in tokens] == [True, True]
    await site.resets.reset(tokens[0], NEW, HERE)
    assert not await site.resets.is_valid(tokens[1])


async def test_asking_for_somebody_unknown_is_the_same_work_and_mails_nothing(site: Mailing) -> None:
    """A3: alike for all, down to the rows that are written."""
    await site.sign_up()
    before = await counted(site)
    await site.resets.request("ann@x.io", "/reset")
    known = await counted(site)
    await site.resets.request("nobody@x.io", "/reset")
    unknown = await counted(site)
    assert [b - a for a, b in zip(before, known, strict=True)] == [b - a for a, b in zip(known, unknown, strict=True)]
    assert len(await site.mails()) == 1


async def test_who_had_no_password_has_one_afterwards(site: Mailing) -> None:
    user = await site.sign_up(verified=True)
    await site.link_provider(user)
    await site.execute(delete(schema.accounts).where(schema.accounts.c.provider == "credential"))
    await site.resets.reset(await asked(site), NEW, HERE)
    assert await site.providers(user) == ["credential", "github"]
    assert (await site.authentication.sign_in("ann@x.io", NEW, HERE)).user.id == user.id


async def test_the_first_proof_of_an_address_ends_what_was_linked_before(site: Mailing) -> None:
    """Contract 3.5: who signed up with another's address at a provider that proves none does not stay in."""
    user = await site.sign_up()
    await site.link_provider(user)
    await site.resets.reset(await asked(site), NEW, HERE)
    assert await site.providers(user) == ["credential"]


async def test_a_token_is_worth_nothing_once_the_address_is_another(site: Mailing) -> None:
    """A8: whoever reads the old address's mail has no way in any more."""
    await site.sign_up()
    token = await asked(site)
    await site.execute(update(schema.users).values(email="new@x.io"))
    assert await reason(site.resets.reset(token, NEW, HERE)) == "INVALID_TOKEN"


async def test_a_made_up_token_is_refused(site: Mailing) -> None:
    await site.sign_up()
    await site.resets.request("nobody@x.io", "")
    assert await reason(site.resets.reset(new_id()[:24], NEW, HERE)) == "INVALID_TOKEN"


async def test_a_reset_of_a_deleted_user_is_refused(site: Mailing) -> None:
    user = await site.sign_up()
    token = await asked(site)
    await site.deletion.delete(user.id, actor="")
    assert await reason(site.resets.reset(token, NEW, HERE)) == "INVALID_TOKEN"


async def test_resets_can_be_turned_off(identity: Identity, hasher: Hasher) -> None:
    site = mailing(identity, hasher, EmailRules(password_reset=False))
    assert await reason(site.resets.request("ann@x.io", "")) == "RESET_PASSWORD_DISABLED"
