"""Signing up and in under the rules that a site may have for addresses, and deleting oneself, on every engine."""

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import func, select

from runtime.errors import ServiceError
from services.identity import schema
from services.identity.email.policy import DeletionMode, EmailRules
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.sign_up import NewUser
from services.identity.users.users import User
from tests.conformance.identity.conftest import BASE_URL, OPERATOR, PASSWORD, Identity
from tests.conformance.identity.mailing import HERE, Mailing, mailing

STRICT = EmailRules(require_verification=True, verify_on_sign_up=True, verify_on_sign_in=True)


@pytest.fixture
def strict(identity: Identity, hasher: Hasher) -> Mailing:
    """A site where an address must be verified first."""
    return mailing(identity, hasher, STRICT)


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


def shape(user: User) -> dict[str, object]:
    """Return what a user is but for id and times."""
    names = User.__dataclass_fields__.keys() - {"id", "created_at", "updated_at"}
    return {name: getattr(user, name) for name in names}


async def test_signing_up_opens_no_session_and_mails_the_link(strict: Mailing) -> None:
    done = await strict.signed_up()
    assert done.opened is None
    assert (await strict.mails())[-1].to == "ann@x.io"
    assert (await strict.last_link()).startswith(f"{BASE_URL}/api/auth/verify-email?token=")
    assert (await strict.last_link()).endswith("&callbackURL=%2Fin")


async def test_an_address_that_is_taken_is_answered_as_a_free_one(strict: Mailing) -> None:
    """A3: a user who is made up, of the same shape, and no mail to whoever has the address."""
    real, made_up = await strict.signed_up(), await strict.signed_up("ANN@x.io")
    assert (made_up.opened, shape(made_up.user)) == (None, shape(real.user))
    assert made_up.user.id != real.user.id
    assert len(made_up.user.id) == len(real.user.id)
    assert len(await strict.mails()) == 1


async def test_of_twenty_sign_ups_at_once_all_are_answered_alike(strict: Mailing) -> None:
    """A3: a race tells nobody either."""
    done = await asyncio.gather(*(strict.signed_up() for _ in range(20)))
    assert {each.opened for each in done} == {None}
    assert len({each.user.id for each in done}) == 20
    rows = await strict.identity.database.rows("tests.count", select(func.count()).select_from(schema.users))
    assert rows[0][0] == 1
    assert len(await strict.mails()) == 1


async def test_who_is_unverified_is_told_so_after_the_right_password_only(strict: Mailing) -> None:
    """A3; and is mailed another link."""
    await strict.signed_up()
    assert await reason(strict.authentication.sign_in("ann@x.io", "wrong horse", HERE)) == "INVALID_EMAIL_OR_PASSWORD"
    assert len(await strict.mails()) == 1
    refused = strict.authentication.sign_in("ann@x.io", PASSWORD, HERE, callback_url="/later")
    assert await reason(refused) == "EMAIL_NOT_VERIFIED"
    assert len(await strict.mails()) == 2
    assert (await strict.last_link()).endswith("&callbackURL=%2Flater")
    await strict.flows.follow(await strict.last_token(), "", visitor="", origin=HERE)
    assert (await strict.authentication.sign_in("ann@x.io", PASSWORD, HERE)).opened


async def test_without_a_session_for_who_signs_up_nobody_is_told_either(identity: Identity, hasher: Hasher) -> None:
    """A3: with TRIVET_AUTO_SIGN_IN=false."""
    site = mailing(identity, hasher, EmailRules(auto_sign_in=False))
    assert [(await site.signed_up()).opened for _ in range(2)] == [None, None]
    assert await site.mails() == []
    assert (await site.authentication.sign_in("ann@x.io", PASSWORD, HERE)).opened


async def test_a_repeated_request_answers_the_same_user(strict: Mailing) -> None:
    """R25: the same id, the same body, no session."""
    new = NewUser("Ann", "ann@x.io", PASSWORD)
    done = [await strict.sign_ups.sign_up(new, HERE, caller="gateway", request_id="r") for _ in range(2)]
    assert done[0] == done[1]


async def test_a_deletion_by_mail_takes_the_token_and_its_owner(identity: Identity, hasher: Hasher) -> None:
    """A5: single use, for a day, bound to the user; a stranger who has it does not spend it."""
    site = mailing(identity, hasher, EmailRules(deletion=DeletionMode.MAIL))
    ann, bob = await site.sign_up(), await site.sign_up("bob@x.io")
    assert await reason(site.deletion.request(ann.id, "wrong horse", "")) == "INVALID_PASSWORD"
    assert await site.deletion.request(ann.id, "", "/bye") is False
    token = await site.last_token()
    assert await site.last_link() == f"{BASE_URL}/api/auth/delete-user/callback?token={token}&callbackURL=%2Fbye"
    assert len(token) == 32
    assert token == token.lower()
    assert await reason(site.deletion.delete_with_token(bob.id, token)) == "INVALID_TOKEN"
    identity.clock.move(hours=23)
    done = await asyncio.gather(
        *(site.deletion.delete_with_token(ann.id, token) for _ in range(20)), return_exceptions=True
    )
    assert done.count(None) == 1
    assert await identity.users.find(ann.id) is None
    assert await identity.users.find(bob.id)


async def test_every_deletion_is_audited_with_its_actor(identity: Identity, hasher: Hasher) -> None:
    """An empty actor is the user; a deletion that is refused or comes second leaves no event."""
    site, by_mail = mailing(identity, hasher), mailing(identity, hasher, EmailRules(deletion=DeletionMode.MAIL))
    ann, bob, eve, kim = [await site.sign_up(f"{name}@x.io") for name in ("ann", "bob", "eve", "kim")]
    assert await reason(site.deletion.request(ann.id, "wrong horse", "")) == "INVALID_PASSWORD"
    assert await site.deletion.request(ann.id, PASSWORD, "", actor=ann.id)
    await by_mail.deletion.request(bob.id, "", "", actor=bob.id)
    await by_mail.deletion.delete_with_token(bob.id, await site.last_token(), actor=bob.id)
    await site.deletion.delete(eve.id, actor=ann.id)
    await site.deletion.delete(kim.id, actor=OPERATOR)
    assert await reason(site.deletion.delete(kim.id, actor=OPERATOR)) == "USER_NOT_FOUND"
    assert await site.deletions() == [(ann.id, ""), (bob.id, ""), (eve.id, ann.id), (kim.id, OPERATOR)]


async def test_a_deletion_token_is_good_for_a_day(identity: Identity, hasher: Hasher) -> None:
    """A5."""
    site = mailing(identity, hasher, EmailRules(deletion=DeletionMode.MAIL))
    ann = await site.sign_up()
    await site.deletion.request(ann.id, "", "")
    identity.clock.move(days=1)
    assert await reason(site.deletion.delete_with_token(ann.id, await site.last_token())) == "INVALID_TOKEN"


async def test_a_deletion_at_once_takes_the_password_or_a_fresh_session(identity: Identity, hasher: Hasher) -> None:
    """S7."""
    site = mailing(identity, hasher)
    done = await site.signed_up()
    assert done.opened is not None
    identity.clock.move(days=1)
    session_id = done.opened.session.id
    assert await reason(site.deletion.request(done.user.id, "", "", session_id=session_id)) == "SESSION_NOT_FRESH"
    assert await site.deletion.request(done.user.id, PASSWORD, "", session_id=session_id)


async def test_deletion_can_be_turned_off(identity: Identity, hasher: Hasher) -> None:
    site = mailing(identity, hasher, EmailRules(deletion=DeletionMode.OFF))
    ann = await site.sign_up()
    for call in (site.deletion.request(ann.id, PASSWORD, ""), site.deletion.delete_with_token(ann.id, "token")):
        assert await reason(call) == "DELETE_USER_DISABLED"
    assert await identity.users.find(ann.id)
