"""P3: news of a subscription adds up to the same in whatever order, and however often, it comes."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.billing.stripe_terms import FINAL, STATUSES, SubscriptionEvent, SubscriptionState, Terms

statuses = st.sampled_from(STATUSES)
moments = st.none() | st.integers(0, 3).map(lambda day: datetime(2026, 3, 1 + day, tzinfo=UTC))
terms = st.builds(
    Terms,
    st.sampled_from(["pro", "team"]),
    statuses,
    moments,
    moments,
    moments,
    st.booleans(),
    st.none() | st.integers(0, 2),
)
told = st.builds(SubscriptionEvent, st.just("evt"), st.integers(0, 4), st.just("sub"), terms=terms)
invoiced = st.builds(SubscriptionEvent, st.just("evt"), st.integers(0, 4), st.just("sub"), paid=st.booleans())


def known(*news: SubscriptionEvent) -> SubscriptionState:
    found = SubscriptionState()
    for each in news:
        found = found.after(each)
    return found


@given(st.lists(told | invoiced, max_size=6), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_say_the_same(news: list[SubscriptionEvent], random: object) -> None:
    """P3."""
    expected = known(*news)
    again = [*news, *news]
    random.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    assert known(*again) == expected
    assert known(*again).status == expected.status


@given(st.lists(st.tuples(terms, statuses), min_size=1, max_size=5))
def test_it_is_the_newest_that_stays(several: list[tuple[Terms, str]]) -> None:
    """P3: unless an end came before it, after which nothing comes."""
    news = [SubscriptionEvent("evt", at, "sub", terms=each) for at, (each, _) in enumerate(several)]
    ended = [each for each in news if each.terms is not None and each.terms.status in FINAL]
    found = known(*reversed(news))
    assert (found.terms, found.terms_at) == ((ended or news)[-1].terms, (ended or news)[-1].created)


def at(created: int, status: str) -> SubscriptionEvent:
    return SubscriptionEvent("evt", created, "sub", terms=Terms("pro", status))


def paid(created: int, is_paid: bool = True) -> SubscriptionEvent:
    return SubscriptionEvent("evt", created, "sub", paid=is_paid)


@pytest.mark.parametrize(
    ("news", "status"),
    [
        ((at(1, "incomplete"), paid(2)), "active"),
        ((at(1, "incomplete"), paid(2, False)), "incomplete"),
        ((at(1, "active"), paid(2, False)), "past_due"),
        ((at(1, "active"), paid(2, False), paid(3)), "active"),
        ((at(1, "past_due"), paid(2)), "active"),
        ((at(1, "unpaid"), paid(2), paid(3, False)), "unpaid"),
        ((at(1, "trialing"), paid(2)), "trialing"),
        ((at(1, "trialing"), paid(2, False)), "trialing"),
        ((at(3, "active"), paid(2, False)), "active"),  # the subscription's own word is the newer one
        ((at(2, "active"), paid(2, False)), "active"),  # and the better one within one second
        ((at(1, "canceled"), paid(2)), "canceled"),
        ((at(1, "canceled"), at(2, "active")), "canceled"),
        ((at(1, "incomplete"), at(1, "active")), "active"),
    ],
)
def test_an_invoice_that_is_newer_has_its_word(news: tuple[SubscriptionEvent, ...], status: str) -> None:
    assert {known(*order).status for order in permutations(news)} == {status}


def test_what_was_read_after_its_event_replaces_all() -> None:
    """P3: "when in doubt, fetch again": even an end, which was the test clock's, or a later second of Stripe's."""
    read = SubscriptionEvent("evt", 1, "sub", terms=Terms("team", "active"), read=True)
    found = known(at(2, "canceled"), paid(3, False), read)
    assert (found.terms.plan, found.status, found.terms_at) == ("team", "active", 2)
