"""What identity refuses to be told about Stripe."""

import pytest
from pydantic import ValidationError

from services.identity.billing.settings import StripeSettings
from tests.harness.peers.stripe import OLD_SECRET, SECRET

NAME = "TRIVET_STRIPE_WEBHOOK_SECRETS"


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> StripeSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return StripeSettings()


def test_one_secret_or_two_are_taken_and_plans_by_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch,
        TRIVET_STRIPE_WEBHOOK_SECRETS=f"{SECRET}, {OLD_SECRET}",
        TRIVET_STRIPE_PLANS="price_1=pro, prod_2=a b",
    )
    assert [secret.get_secret_value() for secret in found.stripe_webhook_secrets] == [SECRET, OLD_SECRET]
    assert found.stripe_plans == {"price_1": "pro", "prod_2": "a b"}
    assert SECRET not in repr(found)


def test_without_any_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)
    assert (found.stripe_webhook_secrets, found.stripe_plans) == ((), {})
    assert found.stripe_api_key.get_secret_value() == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (NAME, "sk_test_0123456789abcdef0123", "whsec_"),
        (NAME, "whsec_short", "whsec_"),
        (NAME, f"{SECRET},{OLD_SECRET},{SECRET}1", "at most 2"),
        ("TRIVET_STRIPE_API_BASE", "http://api.stripe.com", "must begin with https:"),
        ("TRIVET_STRIPE_PLANS", "price_1", "price_1=pro"),
        ("TRIVET_STRIPE_PLANS", "price_1=", "price_1=pro"),
        ("TRIVET_STRIPE_PLANS", f"price_1={'x' * 65}", "64 characters"),
    ],
)
def test_what_cannot_be_right_is_named_with_its_mend(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """K1: and never shown."""
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, **{name: value})
    assert said in str(caught.value)
    assert value not in str(caught.value) or name != NAME
