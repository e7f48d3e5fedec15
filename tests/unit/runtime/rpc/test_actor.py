"""Only what a caller signed with the key it shares with this very service is believed."""

import pytest

from runtime.errors import InvalidArgument, Unauthenticated
from runtime.rpc.actor import MAX_KNOWN, SKEW_SECONDS, Verifier, current_actor, scope, subject
from trivet.client import Actor, Signer, acting_for
from trivet.client.actor import mac, sign

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW = 1_800_000_000
verify = Verifier("identity", {"gateway": KEY, "billing": OTHER_KEY}, now=lambda: NOW)


GATEWAY = Actor("gateway")


def signed(actor: Actor = GATEWAY, audience: str = "identity", key: bytes = KEY, expires: int = NOW + 60) -> str:
    return sign(actor, audience, key, expires=expires)


def test_what_a_caller_signs_is_what_the_service_learns() -> None:
    person = Actor("gateway", "user1", "admin", "session1")
    assert verify(signed(person)) == person
    assert verify(signed()) == Actor("gateway")


def test_a_signer_speaks_for_the_person_it_acts_for_and_then_for_itself_again() -> None:
    signer = Signer("gateway", {"identity": KEY}, now=lambda: NOW)
    with acting_for("user1", "user", "session1"):
        assert verify(signer("identity")) == Actor("gateway", "user1", "user", "session1")
    assert verify(signer("identity")) == Actor("gateway")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no actor"),
        ("", "no actor"),
        ("garbage", "malformed"),
        ("." * 7, "malformed"),
        (signed().replace("v1.", "v2.", 1), "malformed"),
        (signed() + ".more", "malformed"),
        (signed(key=OTHER_KEY), "signature"),
        (signed(Actor("stranger")), "signature"),
        (signed(Actor("billing")), "signature"),
        (signed().rpartition(".")[0] + ".", "signature"),
        (signed().rpartition(".")[0] + ".é", "signature"),
        (signed(Actor("gatewäy")), "signature"),
        (signed(audience="cache"), "another service"),
        (signed(expires=NOW - SKEW_SECONDS - 1), "expired"),
        (signed(expires=NOW + 60 + SKEW_SECONDS + 1), "too late"),
    ],
)
def test_anything_else_is_refused(value: str | None, why: str) -> None:
    """G3: identity is a short-lived signed assertion, bound to its caller and its audience."""
    with pytest.raises(Unauthenticated, match=why) as refused:
        verify(value)
    assert refused.value.reason == "INVALID_ACTOR"


def test_only_the_gateway_is_believed_when_it_speaks_for_people() -> None:
    """G3: a program with a key of its own is that program, whoever it says it calls for."""
    claim = signed(Actor("billing", "user1", "admin"), key=OTHER_KEY)
    with pytest.raises(Unauthenticated, match="cannot call for a person"):
        verify(claim)
    trusting = Verifier("identity", {"billing": OTHER_KEY}, people_callers=("billing",), now=lambda: NOW)
    assert trusting(claim) == Actor("billing", "user1", "admin")


@pytest.mark.parametrize("part", range(7))
def test_no_part_can_be_changed_under_its_signature(part: int) -> None:
    """G3."""
    parts = signed(Actor("gateway", "user1", "user", "session1")).split(".")
    parts[part] = {0: "v2", 1: "billing", 2: "cache", 3: str(NOW + 61), 5: "admin"}.get(part, "another")
    with pytest.raises(Unauthenticated):
        verify(".".join(parts))


@pytest.mark.parametrize("expires", ["soon", "", "-1", "1e9", "\u0661\u0662", "9" * 5_000])
def test_an_expiry_that_is_no_number_is_malformed_even_when_signed(expires: str) -> None:
    claim = f"v1.gateway.identity.{expires}..."
    with pytest.raises(Unauthenticated, match="malformed"):
        verify(f"{claim}.{mac(KEY, claim)}")


def test_without_the_signature_a_forged_claim_would_pass() -> None:
    """What the signature protects from: with a key that everybody knows, anybody is an administrator."""
    known_to_all = Verifier("identity", {"gateway": b""}, now=lambda: NOW)
    assert known_to_all(signed(Actor("gateway", "mallory", "admin"), key=b"")).is_admin


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(expected: str, given: str) -> bool:
        compared.append((expected, given))
        return True

    monkeypatch.setattr("runtime.rpc.actor.hmac.compare_digest", compare)
    verify(signed(key=OTHER_KEY))
    assert len(compared) == 1


def test_no_part_of_an_actor_may_hold_a_dot() -> None:
    with pytest.raises(ValueError, match="dot"):
        signed(Actor("gateway", "user.admin"))


def test_a_call_is_about_whom_it_names_else_about_who_calls() -> None:
    token = current_actor.set(Actor("gateway", "user1", "user"))
    assert (subject("user2"), subject("")) == ("user2", "user1")
    current_actor.reset(token)
    token = current_actor.set(Actor("billing"))
    with pytest.raises(InvalidArgument, match="user_id is required"):
        subject("")
    current_actor.reset(token)


@pytest.mark.parametrize(
    ("actor", "rows"),
    [
        (Actor("gateway", "user1", "user"), "user1"),
        (Actor("gateway", "user1", "admin"), None),
        (Actor("billing"), None),
    ],
)
def test_a_person_touches_their_own_rows_and_others_all(actor: Actor, rows: str | None) -> None:
    token = current_actor.set(actor)
    assert scope() == rows
    current_actor.reset(token)


def test_a_signature_that_was_found_valid_is_refused_once_it_is_too_old() -> None:
    now = NOW
    aging = Verifier("identity", {"gateway": KEY}, now=lambda: now)
    claim = signed(expires=NOW + 60)
    assert [aging(claim), aging(claim)] == [GATEWAY, GATEWAY]
    now += 60 + SKEW_SECONDS + 1
    with pytest.raises(Unauthenticated, match="expired"):
        aging(claim)


def test_signatures_that_were_found_valid_are_remembered_up_to_a_bound() -> None:
    remembering = Verifier("identity", {"gateway": KEY}, now=lambda: NOW)
    for number in range(MAX_KNOWN + 10):
        remembering(signed(Actor("gateway", f"user{number}", "user")))
    assert len(remembering._known) == MAX_KNOWN
    assert remembering(signed(Actor("gateway", "user0", "user"))).user_id == "user0"


def test_a_key_of_a_former_secret_is_accepted_and_no_other() -> None:
    """O5: also of a caller that has no current key."""
    former = [("gateway", OTHER_KEY), ("gateway", b"p" * 32), ("ops", OTHER_KEY)]
    rotating = Verifier("identity", {"gateway": KEY}, former=former, now=lambda: NOW)
    for key in (KEY, OTHER_KEY, b"p" * 32):
        assert rotating(signed(key=key)) == GATEWAY
    assert rotating(signed(Actor("ops"), key=OTHER_KEY)) == Actor("ops")
    for wrong in (signed(key=b"q" * 32), signed(Actor("ops"), key=KEY)):
        with pytest.raises(Unauthenticated, match="signature"):
            rotating(wrong)
