"""A signature is made once for a few seconds of calls, and is never another's nor too old."""

import pytest

from runtime.errors import Unauthenticated
from runtime.rpc.actor import Verifier
from trivet.client import Actor, Signer, acting_for
from trivet.client.actor import LIFETIME_SECONDS, MAX_REUSED, REUSE_SECONDS

KEY = b"k" * 32
START = 1_800_000_000.0


class MovedClock:
    """The present, as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def signer(clock: MovedClock) -> Signer:
    return Signer("gateway", {"identity": KEY, "cache": KEY}, now=clock)


def verifier(clock: MovedClock, audience: str = "identity") -> Verifier:
    return Verifier(audience, {"gateway": KEY}, now=clock)


def test_within_a_few_seconds_the_same_signature_serves_again(signer: Signer, clock: MovedClock) -> None:
    first = signer("identity")
    clock.now += REUSE_SECONDS - 0.01
    assert signer("identity") is first
    clock.now += 0.01
    assert signer("identity") != first


def test_whatever_is_sent_has_most_of_its_life_before_it(signer: Signer, clock: MovedClock) -> None:
    """G3: a claim lives a minute, and one that is used again leaves with 54 s of it at the least."""
    for _ in range(200):
        expires = int(signer("identity").split(".")[3])
        assert LIFETIME_SECONDS - REUSE_SECONDS - 1 < expires - clock.now <= LIFETIME_SECONDS
        clock.now += 0.7


def test_without_the_end_of_reuse_a_claim_would_be_sent_until_it_is_refused(signer: Signer, clock: MovedClock) -> None:
    """The protection off: the first signature, two minutes later."""
    first = signer("identity")
    clock.now += 2 * LIFETIME_SECONDS
    with pytest.raises(Unauthenticated, match="expired"):
        verifier(clock)(first)
    assert verifier(clock)(signer("identity")) == Actor("gateway")


def test_each_person_role_session_and_service_has_a_signature_of_its_own(signer: Signer, clock: MovedClock) -> None:
    """G3."""
    people = [("ann", "user", "s1"), ("ann", "user", "s2"), ("ann", "admin", "s1"), ("bea", "user", "s1")]
    for _ in range(2):
        for person in people:
            with acting_for(*person):
                assert verifier(clock)(signer("identity")) == Actor("gateway", *person)
                assert verifier(clock, "cache")(signer("cache")) == Actor("gateway", *person)
        assert verifier(clock)(signer("identity")) == Actor("gateway")


def test_a_clock_that_is_set_back_makes_a_new_signature(signer: Signer, clock: MovedClock) -> None:
    first = signer("identity")
    clock.now -= 3600
    assert signer("identity") != first
    assert verifier(clock)(signer("identity")) == Actor("gateway")


def test_so_many_signatures_are_kept_and_no_more(signer: Signer) -> None:
    """H2: people come and go, and the oldest are forgotten first."""
    for number in range(3 * MAX_REUSED):
        with acting_for(f"user{number}", "user"):
            signer("identity")
    assert len(signer._signed) == MAX_REUSED
    with acting_for(f"user{3 * MAX_REUSED - 1}", "user"):
        assert signer("identity") is signer("identity")


def test_a_service_without_a_key_is_refused_each_time(signer: Signer) -> None:
    for _ in range(2):
        with pytest.raises(LookupError, match="shares no key with billing"):
            signer("billing")
