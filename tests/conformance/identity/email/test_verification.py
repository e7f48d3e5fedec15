"""Proving addresses and changing them, on every engine."""

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import select, update

from runtime.errors import ServiceError
from services.identity import schema
from services.identity.email.links import LinkClaims
from services.identity.email.policy import EmailRules
from services.identity.email.verification import LinkOutcome, LinkResult
from services.identity.passwords.hashing import Hasher
from services.identity.users.users import User, tag_of
from tests.conformance.identity.conftest import BASE_URL, PASSWORD, Identity
from tests.conformance.identity.mailing import HERE, Mailing, mailing


@pytest.fixture
def site(identity: Identity, hasher: Hasher) -> Mailing:
    return mailing(identity, hasher)


@pytest.fixture
def opening(identity: Identity, hasher: Hasher) -> Mailing:
    """A site where following the link signs in."""
    return mailing(identity, hasher, EmailRules(auto_sign_in_after_verification=True))


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


async def follow(site: Mailing, token: str, visitor: str = "") -> LinkResult:
    return await site.flows.follow(token, "/done", visitor=visitor, origin=HERE)


async def user_now(site: Mailing, user: User) -> User:
    found = await site.identity.users.find(user.id)
    assert found is not None
    return found


async def test_following_the_link_verifies_the_address_and_a_second_time_changes_nothing(site: Mailing) -> None:
    """A5: the proof keeps no state, and its second use none of an effect."""
    user = await site.sign_up()
    await site.flows.send("ANN@x.io", "/v")
    token = await site.last_token()
    assert await site.last_link() == f"{BASE_URL}/api/auth/verify-email?token={token}&callbackURL=%2Fv"
    assert (await follow(site, token)).outcome is LinkOutcome.VERIFIED
    verified = await user_now(site, user)
    assert verified.email_verified
    assert (tag_of(user.id),) in site.identity.cache.told
    site.identity.clock.move(seconds=5)
    assert (await follow(site, token)).outcome is LinkOutcome.ALREADY_VERIFIED
    assert await user_now(site, user) == verified
    assert (await site.happened()).count("email_verified") == 1


async def test_of_twenty_who_follow_a_link_at_once_one_is_signed_in(opening: Mailing) -> None:
    """A5: in parallel."""
    await opening.sign_up()
    await opening.flows.send("ann@x.io", "")
    token = await opening.last_token()
    done = await asyncio.gather(*(follow(opening, token) for _ in range(20)))
    assert [each.outcome for each in done].count(LinkOutcome.VERIFIED) == 1
    (opened,) = [each.opened for each in done if each.opened]
    assert (await opening.identity.sessions.verify(opened.token)).user.email_verified


async def test_whoever_is_signed_in_already_or_kept_out_gets_no_session(opening: Mailing) -> None:
    """A7: following a link is a door like any other."""
    ann, bob = await opening.sign_up(), await opening.sign_up("bob@x.io")
    for user, visitor in ((ann, ann.id), (bob, "")):
        await opening.execute(update(schema.users).where(schema.users.c.id == bob.id).values(banned=True))
        await opening.flows.send(user.email, "")
        done = await follow(opening, await opening.last_token(), visitor)
        assert (done.outcome, done.opened) == (LinkOutcome.VERIFIED, None)


async def test_sending_to_who_is_unknown_or_verified_is_the_same_work_and_mails_nothing(site: Mailing) -> None:
    """A3."""
    await site.sign_up(verified=True)
    for number, email in enumerate(("nobody@x.io", "ann@x.io"), 1):
        await site.flows.send(email, "")
        assert await site.mails() == []
        rows = await site.identity.database.rows(
            "tests.rows", select(schema.outbox.c.id).where(schema.outbox.c.topic == "mail.send")
        )
        assert len(rows) == number


async def test_who_asks_for_their_own_is_told_what_is_wrong(site: Mailing) -> None:
    ann, bob = await site.sign_up(verified=True), await site.sign_up("bob@x.io")
    assert await reason(site.flows.send("bob@x.io", "", user_id=ann.id)) == "EMAIL_MISMATCH"
    assert await reason(site.flows.send("ann@x.io", "", user_id=ann.id)) == "EMAIL_ALREADY_VERIFIED"
    await site.flows.send("bob@x.io", "", user_id=bob.id)
    assert [mail.to for mail in await site.mails()] == ["bob@x.io"]


async def test_a_proof_is_good_for_its_user_and_its_hour(site: Mailing) -> None:
    """A5: an address that another user has by now is not proved by an old link."""
    ann = await site.sign_up()
    for_another = site.links.sign(LinkClaims("ann@x.io", "somebody-else"))
    unknown = site.links.sign(LinkClaims("nobody@x.io", ann.id))
    good = site.links.sign(LinkClaims("ann@x.io", ann.id))
    assert await reason(follow(site, for_another)) == "INVALID_TOKEN"
    assert await reason(follow(site, unknown)) == "USER_NOT_FOUND"
    site.identity.clock.move(hours=1)
    assert await reason(follow(site, good)) == "TOKEN_EXPIRED"
    assert not (await user_now(site, ann)).email_verified


async def test_a_verified_address_is_changed_with_the_consent_of_both(site: Mailing) -> None:
    """A8: the old one consents, the new one proves itself, and the old one is told."""
    ann = await site.sign_up(verified=True)
    await site.flows.request_change(ann.id, "NEW@x.io", "/c")
    confirmation = await site.last_token()
    assert (await follow(site, confirmation)).outcome is LinkOutcome.CHANGE_CONFIRMED
    assert (await user_now(site, ann)).email == "ann@x.io"
    proof = await site.last_token()
    assert (await site.last_link()).endswith("&callbackURL=%2Fdone")
    done = await follow(site, proof)
    assert (done.outcome, done.user.email, done.user.email_verified) == (LinkOutcome.CHANGED, "new@x.io", True)
    told = [(mail.to, mail.about.removeprefix("account.")) for mail in await site.mails()]
    assert told == [
        ("ann@x.io", "confirm-email-change"),
        ("new@x.io", "verify-email-change"),
        ("ann@x.io", "email-changed"),
    ]
    assert "email_changed" in await site.happened()
    assert site.identity.cache.told[-1] == (tag_of(ann.id),)
    for token in (confirmation, proof):
        assert await reason(follow(site, token)) == "INVALID_TOKEN", "it was for the address that was"


async def test_the_first_step_alone_cannot_be_taken_for_the_second(site: Mailing) -> None:
    """A8: without the new mailbox there is no change, however often the old one consents."""
    ann = await site.sign_up(verified=True)
    await site.flows.request_change(ann.id, "new@x.io", "")
    confirmation = await site.last_token()
    outcomes = await asyncio.gather(*(follow(site, confirmation) for _ in range(20)))
    assert {each.outcome for each in outcomes} == {LinkOutcome.CHANGE_CONFIRMED}
    assert (await user_now(site, ann)).email == "ann@x.io"
    assert [mail.to for mail in await site.mails()] == ["ann@x.io", "new@x.io"], "a stranger is mailed once"


async def test_an_unverified_address_is_changed_by_the_new_one_and_is_told(site: Mailing) -> None:
    """A8. It stays unverified: Better Auth's rule."""
    ann = await site.sign_up()
    await site.flows.request_change(ann.id, "new@x.io", "")
    assert [mail.to for mail in await site.mails()] == ["new@x.io"]
    assert (await user_now(site, ann)).email == "ann@x.io"
    done = await follow(site, await site.last_token())
    assert (done.user.email, done.user.email_verified) == ("new@x.io", False)
    assert (await site.mails())[-1].to == "ann@x.io"


async def test_an_unverified_address_is_changed_within_a_day_of_signing_in(site: Mailing) -> None:
    """S7: nobody consents for it, so the session must be fresh. A verified one's owner consents by mail."""
    done = await site.signed_up()
    assert done.opened is not None
    site.identity.clock.move(days=1)
    change = site.flows.request_change(done.user.id, "new@x.io", "", session_id=done.opened.session.id)
    assert await reason(change) == "SESSION_NOT_FRESH"
    await site.execute(update(schema.users).values(email_verified=True))
    await site.flows.request_change(done.user.id, "new@x.io", "", session_id=done.opened.session.id)


async def test_an_address_that_somebody_has_is_answered_alike_and_mails_nobody(site: Mailing) -> None:
    """A3."""
    ann, _ = await site.sign_up(verified=True), await site.sign_up("bob@x.io")
    await site.flows.request_change(ann.id, "BOB@x.io", "")
    assert await site.mails() == []


async def test_of_two_who_change_to_one_address_one_gets_it(site: Mailing) -> None:
    ann, bob = await site.sign_up(), await site.sign_up("bob@x.io")
    tokens = []
    for user in (ann, bob):
        await site.flows.request_change(user.id, "new@x.io", "")
        tokens.append(await site.last_token())
    done = await asyncio.gather(*(follow(site, token) for token in tokens), return_exceptions=True)
    assert [isinstance(each, LinkResult) for each in done].count(True) == 1
    assert [each.reason for each in done if isinstance(each, ServiceError)] == ["INVALID_TOKEN"]
    assert sorted([(await user_now(site, user)).email for user in (ann, bob)]).count("new@x.io") == 1


async def test_a_change_is_its_owners_own(site: Mailing) -> None:
    """A5: bound to who asked for it."""
    ann, bob = await site.sign_up(), await site.sign_up("bob@x.io")
    await site.flows.request_change(ann.id, "new@x.io", "")
    token = await site.last_token()
    assert await reason(follow(site, token, bob.id)) == "INVALID_USER"
    assert (await follow(site, token, ann.id)).outcome is LinkOutcome.CHANGED


async def test_what_cannot_be_changed_is_refused(site: Mailing, identity: Identity, hasher: Hasher) -> None:
    ann = await site.sign_up()
    assert await reason(site.flows.request_change(ann.id, "ANN@x.io", "")) == "EMAIL_IS_THE_SAME"
    assert await reason(site.flows.request_change(ann.id, "none", "")) == "INVALID_EMAIL"
    assert await reason(site.flows.request_change("unknown", "new@x.io", "")) == "USER_NOT_FOUND"
    off = mailing(identity, hasher, EmailRules(change_email=False))
    assert await reason(off.flows.request_change(ann.id, "new@x.io", "")) == "CHANGE_EMAIL_DISABLED"


async def test_a_link_asked_for_before_a_change_of_password_changes_no_address(site: Mailing) -> None:
    """A8: whoever was shut out by a new password does not come back by a link that waits in a mailbox of theirs."""
    user = await site.sign_up()
    site.identity.clock.move(seconds=1)
    await site.flows.request_change(user.id, "stranger@x.io", "/")
    strangers = await site.last_token()
    site.identity.clock.move(seconds=1)
    await site.authentication.change_password(
        user.id, PASSWORD, "another good password", end_others=None, keep="", origin=HERE
    )
    assert await reason(follow(site, strangers)) == "INVALID_TOKEN"
    assert (await user_now(site, user)).email == "ann@x.io"

    site.identity.clock.move(seconds=1)
    await site.flows.request_change(user.id, "anna@x.io", "/")
    assert (await follow(site, await site.last_token())).outcome is LinkOutcome.CHANGED
