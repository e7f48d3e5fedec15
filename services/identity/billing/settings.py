"""The settings of Stripe."""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, model_validator
from pydantic_settings import NoDecode

from runtime.settings import Secrets, Settings, from_env, split_words

PREFIX = "whsec_"
SECRET_LENGTH = 22
MAX_SECRETS = 2
PLAN_LENGTH = 64
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _plans(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [tuple(part.strip() for part in word.split("=", 1)) for word in split_words(value)]
    if any(len(pair) != 2 or not all(pair) or len(pair[1]) > PLAN_LENGTH for pair in pairs):
        raise ValueError(f"must be like price_1=pro,prod_2=team; the name of a plan has up to {PLAN_LENGTH} characters")
    return dict(pairs)


Plans = Annotated[dict[str, str], NoDecode, BeforeValidator(_plans)]


class StripeSettings(Settings):
    """The secrets of Stripe's webhook, the API key, and the names of the plans."""

    stripe_webhook_secrets: Secrets = from_env(
        "TRIVET_STRIPE_WEBHOOK_SECRETS",
        default=(),
        description="Signing secrets of /webhooks/stripe, as Stripe shows them (whsec_...). Give two by comma "
        "during a rotation.",
    )
    stripe_api_key: SecretStr = from_env(
        "TRIVET_STRIPE_API_KEY",
        default=SecretStr(""),
        description="Stripe's API key. With it, identity fetches a subscription again when an event names it. "
        "Without it, events are applied in the order of their times.",
    )
    stripe_api_base: str = from_env(
        "TRIVET_STRIPE_API_BASE", default="https://api.stripe.com", description="The base URL of Stripe's API."
    )
    stripe_plans: Plans = from_env(
        "TRIVET_STRIPE_PLANS",
        default={},
        description="PRICE_OR_PRODUCT=PLAN, by comma: a plan's name for an id of a price or product at Stripe.",
    )

    @model_validator(mode="after")
    def _has_secrets_and_a_safe_way(self) -> Self:
        secrets = [secret.get_secret_value() for secret in self.stripe_webhook_secrets]
        if len(secrets) > MAX_SECRETS:
            raise ValueError(
                f"TRIVET_STRIPE_WEBHOOK_SECRETS holds at most {MAX_SECRETS} secrets: the new one and the old one"
            )
        if any(not secret.startswith(PREFIX) or len(secret) < SECRET_LENGTH for secret in secrets):
            raise ValueError(
                "TRIVET_STRIPE_WEBHOOK_SECRETS must hold secrets as Stripe shows them, which begin with whsec_"
            )
        base = urlsplit(self.stripe_api_base)
        if base.scheme != "https" and not (base.scheme == "http" and base.hostname in LOOPBACK):
            raise ValueError("TRIVET_STRIPE_API_BASE must begin with https://, because the API key is sent there")
        return self
