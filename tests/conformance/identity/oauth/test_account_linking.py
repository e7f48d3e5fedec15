"""Who comes in by a provider, who is linked and who is not, on every engine."""

import asyncio

import pytest
from sqlalchemy import update

from runtime.errors import PermissionDenied
from services.identity import schema
from services.identity.oauth.errors import OAuthError
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.sessions.session import Origin
from services.identity.store.database import Transaction
from tests.conformance.identity.oauth.conftest import ISSUER, Doors, vouched

HERE = Origin("10.0.0.1", "browser")


async def _set(doors: Doors, email: str, **values: object) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.execute(update(schema.users).where(schema.users.c.email == email).values(**values))

    await doors.identity.database.transaction("tests.set", work)


async def test_a_stranger_becomes_a_user_with_one_account_and_one_session(doors: Doors) -> None:
    entered = await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)
    assert entered.created
    assert (entered.user.email, entered.user.email_verified, entered.user.name) == ("ann@x.io", True, "Ann")
    (account,) = await doors.rows(schema.accounts)
    assert (account["provider"], account["issuer"], account["account_id"]) == ("acme", ISSUER, "1")
    assert account["scope"] == "openid"
    verified = await doors.identity.sessions.verify(entered.opened.token)
    assert verified.user == entered.user
    assert [event for event in await doors.events() if '"signed_up"' in event]


async def test_the_same_identity_is_the_same_user_whatever_the_address_is(doors: Doors) -> None:
    """O3: identity is issuer and subject."""
    first = await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)
    again = await doors.entrances().sign_in(vouched(email="other@x.io"), HERE, may_sign_up=False)
    assert (again.user.id, again.user.email, again.created) == (first.user.id, "ann@x.io", False)
    assert again.opened.token != first.opened.token
    assert len(await doors.rows(schema.accounts)) == 1


@pytest.mark.parametrize("account_id", ["A1", "a1 ", "á1"])
async def test_subjects_are_told_apart_byte_by_byte(doors: Doors, account_id: str) -> None:
    """O3: engines compare texts in ways of their own."""
    first = await doors.entrances().sign_in(vouched("a1"), HERE, may_sign_up=True)
    if account_id != account_id.strip():
        assert not vouched(account_id).profile.has_identity  # refused before: MySQL takes it for the other
        return
    other = await doors.entrances().sign_in(vouched(account_id, email="other@x.io"), HERE, may_sign_up=True)
    assert other.user.id != first.user.id


async def test_the_same_subject_of_another_issuer_is_somebody_else(doors: Doors) -> None:
    """O3."""
    await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)
    with pytest.raises(OAuthError, match="signup_disabled"):
        await doors.entrances().sign_in(vouched(email="b@x.io", name="evil"), HERE, may_sign_up=False)


@pytest.mark.parametrize(
    ("provider_verified", "user_verified", "trusted", "required", "word"),
    [
        (True, True, False, True, ""),
        (False, True, False, True, "account_not_linked"),
        (True, False, False, True, "account_not_linked"),
        (False, False, False, True, "account_not_linked"),
        (False, True, True, True, ""),
        (False, False, True, True, "account_not_linked"),
        (True, False, False, False, ""),
        (False, False, False, False, "account_not_linked"),
    ],
)
async def test_an_address_links_only_if_it_is_proved_on_both_sides(
    doors: Doors, provider_verified: bool, user_verified: bool, trusted: bool, required: bool, word: str
) -> None:
    """A8: without these rules an attacker signs up with a victim's address and waits, or claims it at a provider."""
    user, _ = await doors.identity.sign_up("ann@x.io")
    await _set(doors, "ann@x.io", email_verified=user_verified)
    rules = OAuthRules(trusted=frozenset({"acme"} if trusted else ()), requires_verified_user=required)
    entering = doors.entrances(rules).sign_in(vouched(verified=provider_verified), HERE, may_sign_up=True)
    if word:
        with pytest.raises(OAuthError, match=word):
            await entering
        assert len(await doors.rows(schema.accounts)) == 1
        return
    entered = await entering
    assert (entered.user.id, entered.created) == (user.id, False)
    assert len(await doors.rows(schema.accounts)) == 2
    assert entered.user.email_verified == (user_verified or provider_verified)


async def test_a_proved_address_is_told_to_caches(doors: Doors) -> None:
    await doors.entrances().sign_in(vouched(verified=False), HERE, may_sign_up=True)
    doors.identity.cache.told.clear()
    entered = await doors.entrances().sign_in(vouched(verified=True), HERE, may_sign_up=True)
    assert entered.user.email_verified
    assert (f"user:{entered.user.id}",) in doors.identity.cache.told


async def test_a_banned_user_changes_nothing_and_gets_nothing(doors: Doors) -> None:
    """A7: every door obeys the ban."""
    await doors.entrances().sign_in(vouched(access_token="first"), HERE, may_sign_up=True)
    await _set(doors, "ann@x.io", banned=True)
    before = await doors.rows(schema.accounts), await doors.rows(schema.sessions)
    for who in (vouched(access_token="second"), vouched("2")):
        with pytest.raises(PermissionDenied) as caught:
            await doors.entrances().sign_in(who, HERE, may_sign_up=True)
        assert caught.value.reason == "BANNED_USER"
    assert (await doors.rows(schema.accounts), await doors.rows(schema.sessions)) == before
    assert [event for event in await doors.events() if '"sign_in_failed"' in event]
    await _set(doors, "ann@x.io", ban_expires=doors.identity.clock())
    assert (await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)).user.email == "ann@x.io"


async def test_strangers_at_once_become_one_user(doors: Doors) -> None:
    done = await asyncio.gather(*(doors.entrances().sign_in(vouched(), HERE, may_sign_up=True) for _ in range(8)))
    assert len({each.user.id for each in done}) == 1
    assert sum(each.created for each in done) == 1
    assert len(await doors.rows(schema.users)) == len(await doors.rows(schema.accounts)) == 1
    assert len(await doors.rows(schema.sessions)) == 8


async def test_an_imported_account_without_an_issuer_is_found_and_given_one(doors: Doors) -> None:
    """Better Auth tells accounts apart by the provider alone."""
    entered = await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)

    async def work(transaction: Transaction) -> None:
        await transaction.execute(update(schema.accounts).values(issuer=""))

    await doors.identity.database.transaction("tests.import", work)
    again = await doors.entrances().sign_in(vouched(), HERE, may_sign_up=False)
    assert again.user.id == entered.user.id
    (account,) = await doors.rows(schema.accounts)
    assert account["issuer"] == ISSUER


async def test_a_link_merges_scopes_and_a_sign_in_leaves_them(doors: Doors) -> None:
    entered = await doors.entrances().sign_in(vouched(), HERE, may_sign_up=True)
    await doors.entrances().link(vouched(scopes=("repo",)), entered.user.id, None, HERE)
    await doors.entrances().sign_in(vouched(scopes=("other",)), HERE, may_sign_up=True)
    (account,) = await doors.rows(schema.accounts)
    assert account["scope"] == "openid,repo"


async def test_two_who_link_one_identity_at_once_do_not_share_it(doors: Doors) -> None:
    ann, _ = await doors.identity.sign_up("ann@x.io")
    ben, _ = await doors.identity.sign_up("ben@x.io")
    rules = OAuthRules(links_different_emails=True)
    links = (doors.entrances(rules).link(vouched(), user.id, None, HERE) for user in (ann, ben))
    done = await asyncio.gather(*links, return_exceptions=True)
    (refused,) = [each for each in done if isinstance(each, OAuthError)]
    assert refused.code == "account_already_linked_to_different_user"


async def test_a_new_user_with_an_unproved_address_is_mailed_to(doors: Doors) -> None:
    mailed = []

    async def verify_new(_: object, user: object, callback_url: str) -> None:
        mailed.append(callback_url)

    entrances = doors.entrances()
    entrances._verify_new = verify_new
    await entrances.sign_in(vouched(verified=False), HERE, may_sign_up=True, callback_url="/in")
    await entrances.sign_in(vouched(verified=False), HERE, may_sign_up=True, callback_url="/again")
    await entrances.sign_in(vouched("2", email="b@x.io"), HERE, may_sign_up=True, callback_url="/proved")
    assert mailed == ["/in"]
