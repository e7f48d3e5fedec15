"""What is written for a user is decided by the user as they are at that moment, on every engine."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select

from runtime.errors import ServiceError
from services.identity import schema
from services.identity.email.policy import DeletionMode, EmailRules
from services.identity.passwords.hashing import Hasher
from services.identity.users.users import User
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.mailing import HERE, Mailing, mailing
from tests.conformance.identity.moments import Meanwhile, overlapping

OPERATOR = "service:ops"
RULES = EmailRules(require_verification=True, verify_on_sign_in=True, deletion=DeletionMode.MAIL)
MAILS: dict[str, Callable[[Mailing, User], Awaitable[object]]] = {
    "a reset": lambda site, user: site.resets.request(user.email, "/reset"),
    "a verification": lambda site, user: site.flows.send(user.email, "/v"),
    "one's own verification": lambda site, user: site.flows.send(user.email, "/v", user_id=user.id),
    "a change of address": lambda site, user: site.flows.request_change(user.id, "new@x.io", "/c"),
    "a deletion": lambda site, user: site.deletion.request(user.id, "", "/bye"),
    "a reminder": lambda site, user: site.authentication.sign_in(user.email, PASSWORD, HERE),
}


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


async def secrets(identity: Identity, user: User) -> list[str]:
    """Return what is kept as a one-time secret of a user, or with their address."""
    kept = schema.verifications.c
    statement = select(kept.identifier).where(kept.identifier.endswith(f":{user.id}"))
    return [row[0] for row in await identity.database.rows("tests.secrets", statement)]


@pytest.mark.parametrize("mail", MAILS)
async def test_a_user_whose_deletion_is_not_committed_yet_is_mailed_nothing(
    enduring: Identity, hasher: Hasher, mail: str
) -> None:
    """Nothing is left: no mail that waits, no secret with the address."""
    site = mailing(enduring, hasher, RULES)
    user = await site.sign_up()
    already = len(await site.mails())
    gone, _ = await overlapping(
        enduring.database, site.deletion.delete(user.id, actor=OPERATOR), MAILS[mail](site, user)
    )
    assert gone is None
    assert len(await site.mails()) == already
    assert await secrets(enduring, user) == []


async def test_a_deletion_takes_what_waits_in_mailboxes_with_it(identity: Identity, hasher: Hasher) -> None:
    site = mailing(identity, hasher, RULES)
    user, other = await site.sign_up(verified=True), await site.sign_up("bob@x.io", verified=True)
    for each in (user, other):
        await site.resets.request(each.email, "/reset")
        await site.deletion.request(each.id, "", "/bye")
        await site.flows.request_change(each.id, f"new{each.email}", "/c")
        await site.flows.follow(await site.last_token(), "/c", visitor="", origin=HERE)
    assert len(await secrets(identity, user)) == len(await secrets(identity, other)) == 3
    await site.deletion.delete(user.id, actor=OPERATOR)
    assert await secrets(identity, user) == []
    assert len(await secrets(identity, other)) == 3


@pytest.mark.parametrize("by_token", [True, False])
async def test_a_password_that_is_changed_while_it_is_checked_deletes_nobody(
    identity: Identity, hasher: Hasher, by_token: bool
) -> None:
    """A new password shuts out everyone who knows the old one, also from deleting the account."""
    plain = mailing(identity, hasher, EmailRules(deletion=DeletionMode.MAIL if by_token else DeletionMode.ON))
    user = await plain.sign_up()

    async def change() -> None:
        await plain.authentication.change_password(
            user.id, PASSWORD, "a better horse battery", end_others=None, keep="", origin=HERE
        )

    if by_token:
        await plain.deletion.request(user.id, "", "/bye")
    site = mailing(identity, Meanwhile(hasher, change))
    deletion = (
        site.deletion.delete_with_token(user.id, await plain.last_token(), PASSWORD)
        if by_token
        else site.deletion.request(user.id, PASSWORD, "/bye")
    )
    assert await reason(deletion) == "INVALID_PASSWORD"
    assert await identity.users.find(user.id)


async def test_a_hash_that_is_renewed_meanwhile_is_still_the_password(identity: Identity, hasher: Hasher) -> None:
    plain = mailing(identity, hasher)
    user = await plain.sign_up()
    stored = await identity.credentials.by_user(user.id)
    assert stored is not None

    async def renew() -> None:
        fresh = await hasher.hash(PASSWORD)
        await identity.database.transaction(
            "tests.renew",
            lambda within: identity.credentials.replace_password(within, user.id, stored.password or "", fresh),
        )

    site = mailing(identity, Meanwhile(hasher, renew))
    assert await site.deletion.request(user.id, PASSWORD, "/bye")


async def test_a_session_whose_end_is_not_committed_yet_is_not_fresh(enduring: Identity, hasher: Hasher) -> None:
    """Signing out takes back what only a fresh session may do."""
    site = mailing(enduring, hasher)
    done = await site.signed_up()
    assert done.opened is not None
    user, session = done.user, done.opened.session
    _, refused = await overlapping(
        enduring.database,
        enduring.sessions.revoke(user.id, session_id=session.id),
        site.deletion.request(user.id, "", "/bye", session_id=session.id),
    )
    assert isinstance(refused, ServiceError), refused
    assert refused.reason == "SESSION_NOT_FRESH"
    assert await enduring.users.find(user.id)


async def test_of_a_reset_and_a_deletion_at_once_both_end(identity: Identity, hasher: Hasher) -> None:
    """They lock in one order; whichever is second finds nothing."""
    site = mailing(identity, hasher)
    for number in range(5):
        user = await site.sign_up(f"{number}@x.io")
        await site.resets.request(user.email, "/reset")
        token = await site.last_token()
        _, gone = await asyncio.gather(
            site.resets.reset(token, "a better horse battery", HERE),
            site.deletion.delete(user.id, actor=OPERATOR),
            return_exceptions=True,
        )
        assert gone is None
        assert await secrets(identity, user) == []
