"""An administrator who is not banned remains, whatever removes users, on every engine."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy

import pytest

from runtime.errors import FailedPrecondition
from runtime.ids import new_id
from services.identity.email.policy import DeletionMode, EmailRules
from services.identity.passwords.hashing import Hasher
from services.identity.sessions.session import Origin
from services.identity.users.administration import Administration
from services.identity.users.users import Order, Role, User, UserFilter
from tests.conformance.identity.conftest import OPERATOR, PASSWORD, Identity
from tests.conformance.identity.mailing import Mailing, mailing
from tests.conformance.identity.moments import overlapping


async def one(identity: Identity, admin: Administration, role: Role) -> User:
    user, _ = await identity.sign_up(f"{new_id().lower()}@x.io")
    return (await admin.set_role(user.id, role, actor=OPERATOR)).user if role is Role.ADMIN else user


async def refused(call: Awaitable[object]) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await call
    assert caught.value.reason == "LAST_ADMIN"


@pytest.fixture
def admin(identity: Identity) -> Administration:
    return identity.administration


@pytest.fixture
def site(identity: Identity, hasher: Hasher) -> Mailing:
    return mailing(identity, hasher)


async def token_of(site: Mailing, user: User) -> str:
    """Have the mail sent that deletes a user; return its token."""
    by_mail = copy(site.deletion)
    by_mail._rules = EmailRules(deletion=DeletionMode.MAIL)
    await by_mail.request(user.id, "", "/bye")
    return await site.last_token()


async def fresh_session(identity: Identity, user: User) -> str:
    return (await identity.authentication.sign_in(user.email, PASSWORD, Origin())).opened.session.id


Removal = Callable[[Mailing, User], Awaitable[object]]
REMOVALS: dict[str, Removal] = {
    "a deletion by an operator": lambda site, user: site.deletion.delete(user.id, actor=OPERATOR),
    "a deletion by another": lambda site, user: site.deletion.delete(user.id, actor="another"),
    "a deletion by password": lambda site, user: site.deletion.request(user.id, PASSWORD, ""),
    "a deletion by a program": lambda site, user: site.deletion.delete(user.id, actor="service:gateway"),
    "a demotion": lambda site, user: site.identity.administration.set_role(user.id, Role.USER, actor=OPERATOR),
    "a ban": lambda site, user: site.identity.administration.ban(user.id, "", None, actor=OPERATOR),
}


@pytest.mark.parametrize("removal", REMOVALS)
async def test_the_last_administrator_stays_whatever_removes_users(
    identity: Identity, admin: Administration, site: Mailing, removal: str
) -> None:
    """A user and a banned administrator are no replacement; another administrator is."""
    only, banned = await one(identity, admin, Role.ADMIN), await one(identity, admin, Role.ADMIN)
    await admin.ban(banned.id, "", None, actor=OPERATOR)
    await one(identity, admin, Role.USER)
    await refused(REMOVALS[removal](site, only))
    found = await identity.users.find(only.id)
    assert found == only
    await one(identity, admin, Role.ADMIN)
    await REMOVALS[removal](site, only)


async def test_the_last_administrator_does_not_leave_by_a_session_or_a_mail(
    identity: Identity, admin: Administration, site: Mailing
) -> None:
    """No mail is sent that could not be followed; one that was sent before is refused, and stays good."""
    first, second = await one(identity, admin, Role.ADMIN), await one(identity, admin, Role.ADMIN)
    token, session_id = await token_of(site, first), await fresh_session(identity, first)
    await admin.set_role(second.id, Role.USER, actor=OPERATOR)
    await refused(token_of(site, first))
    await refused(site.deletion.delete_with_token(first.id, token))
    by_session = site.deletion.request(first.id, "", "", session_id=session_id)
    await refused(by_session)
    await admin.set_role(second.id, Role.ADMIN, actor=OPERATOR)
    await site.deletion.delete_with_token(first.id, token)
    assert await identity.users.find(first.id) is None


@pytest.mark.parametrize("first", ["a deletion by password", "a ban", "a demotion"])
@pytest.mark.parametrize("second", ["a deletion by password", "a ban", "a demotion"])
async def test_of_two_who_remove_the_last_two_administrators_one_is_refused(
    enduring: Identity, hasher: Hasher, first: str, second: str
) -> None:
    """The second is looked at while the first is not committed yet."""
    site = mailing(enduring, hasher)
    ann, bob = [await one(enduring, enduring.administration, Role.ADMIN) for _ in range(2)]
    done, second_one = await overlapping(enduring.database, REMOVALS[first](site, ann), REMOVALS[second](site, bob))
    assert not isinstance(done, BaseException), done
    assert isinstance(second_one, FailedPrecondition), second_one
    assert second_one.reason == "LAST_ADMIN"
    left = await enduring.users.list(UserFilter(role=Role.ADMIN, banned=False), Order.NEWEST, 10)
    assert [user.id for user in left] == [bob.id]


async def test_administrators_who_all_delete_themselves_at_once_leave_one(
    identity: Identity, admin: Administration, site: Mailing
) -> None:
    crowd = [await one(identity, admin, Role.ADMIN) for _ in range(5)]
    outcomes = await asyncio.gather(
        *(site.deletion.request(each.id, PASSWORD, "") for each in crowd), return_exceptions=True
    )
    assert sum(isinstance(each, FailedPrecondition) for each in outcomes) == 1, outcomes
    assert len(await identity.users.list(UserFilter(role=Role.ADMIN), Order.NEWEST, 10)) == 1


async def test_a_user_who_is_promoted_meanwhile_counts_as_an_administrator(enduring: Identity, hasher: Hasher) -> None:
    """The deletion has read a user, and then finds the only administrator."""
    site, admin = mailing(enduring, hasher), enduring.administration
    user = await one(enduring, admin, Role.USER)
    promoted, deletion = await overlapping(
        enduring.database,
        admin.set_role(user.id, Role.ADMIN, actor=OPERATOR),
        site.deletion.delete(user.id, actor=OPERATOR),
    )
    assert not isinstance(promoted, BaseException), promoted
    assert isinstance(deletion, FailedPrecondition), deletion
    assert await enduring.users.find(user.id)
