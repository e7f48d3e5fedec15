"""What the gateway is told."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator
from pydantic_settings import NoDecode

from gateway.http.link_target import origin_of
from gateway.http.origin_patterns import pattern_of
from identity_rules.custom_fields import NONE, SESSION_FIELDS, USER_FIELDS, SessionFields, UserFields
from runtime.settings import Address, Keys, PairKeysField, SiteSettings, Words, from_env, split_words

MAX_PORT = 65_535


def _networks(value: Any) -> Any:
    return tuple(ip_network(part) for part in split_words(value)) if isinstance(value, str) else value


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]


class GatewaySettings(SiteSettings):
    """What the gateway is told beyond what every process is."""

    trusted_origins: Words = from_env(
        "TRIVET_TRUSTED_ORIGINS", default=(), description="Origins besides our own that may send cookies, by comma."
    )
    trust_loopback: Literal["on", "off", ""] = from_env(
        "TRIVET_TRUST_LOOPBACK",
        default="",
        description="on or off: trust every page of this machine, whatever its port; on in development if unset.",
    )
    trusted_proxies: Networks = from_env(
        "TRIVET_TRUSTED_PROXIES", default=(), description="Networks whose X-Forwarded-For is believed, by comma."
    )
    rate_limit: Literal["on", "off", ""] = from_env(
        "TRIVET_RATE_LIMIT", default="", description="on or off; on in production if unset."
    )
    cookie_cache: Literal["off", "compact", "jwt"] = from_env(
        "TRIVET_COOKIE_CACHE",
        default="off",
        description="off, compact or jwt: how `session_data` is written for a front end's middleware, if at all.",
    )
    cookie_cache_seconds: int = from_env(
        "TRIVET_COOKIE_CACHE_SECONDS", default=300, ge=1, le=86_400, description="How long `session_data` is good."
    )
    user_fields: UserFields = from_env("TRIVET_USER_FIELDS", default=NONE, description=USER_FIELDS)
    session_fields: SessionFields = from_env("TRIVET_SESSION_FIELDS", default=NONE, description=SESSION_FIELDS)
    near_cache_bytes: int = from_env(
        "TRIVET_NEAR_CACHE_BYTES",
        default=64 * 1024 * 1024,
        ge=0,
        le=4 * 1024 * 1024 * 1024,
        description="How much of the cache each gateway holds in its own memory; 0 holds nothing.",
    )
    header_seconds: int = from_env(
        "TRIVET_HEADER_SECONDS",
        default=5,
        ge=1,
        le=300,
        description="How many seconds a connection may be idle or slow with its headers; twice as many for a body to"
        " arrive, and for a client that reads nothing of an answer.",
    )
    workers: int = from_env(
        "TRIVET_GATEWAY_WORKERS",
        default=1,
        ge=1,
        le=64,
        description="How many processes answer on the one port; what is bounded is bounded for each.",
    )
    log_hits_every: int = from_env(
        "TRIVET_LOG_HITS_EVERY",
        default=100,
        ge=1,
        description="One in so many session checks answered from a cache enters the request log; 1 is all.",
    )
    drain_seconds: float = from_env(
        "TRIVET_DRAIN_SECONDS",
        default=0,
        ge=0,
        le=60,
        description="How long readiness says no before connections are refused: what a load balancer needs to notice.",
    )
    docs: Literal["on", "off", ""] = from_env(
        "TRIVET_DOCS", default="", description="on or off: /docs; off in production if unset."
    )
    identity_address: Address = from_env("TRIVET_IDENTITY_ADDRESS", default="127.0.0.1:50051", description="HOST:PORT.")
    notifications_address: Address = from_env(
        "TRIVET_NOTIFICATIONS_ADDRESS", default="127.0.0.1:50052", description="HOST:PORT."
    )
    cache_address: Address = from_env("TRIVET_CACHE_ADDRESS", default="127.0.0.1:50053", description="HOST:PORT.")
    call_keys: PairKeysField = from_env(
        "TRIVET_CALL_KEYS", default=Keys(), description="SERVICE=HEX,...: the key shared with each service."
    )

    @field_validator("trusted_origins")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                pattern_of(text)
            except ValueError as error:
                raise ValueError(f"`{text}` {error}") from None
        return value

    @model_validator(mode="after")
    def _has_an_origin(self) -> Self:
        if not (origin := origin_of(self.base_url)):
            raise ValueError("TRIVET_BASE_URL must be like https://app.example.com, without userinfo")
        try:
            pattern_of(origin)
        except ValueError as error:
            raise ValueError(f"TRIVET_BASE_URL: `{self.base_url}` {error}") from None
        return self

    @model_validator(mode="after")
    def _has_a_port_for_each_worker(self) -> Self:
        if self.metrics_port and self.metrics_port + self.workers - 1 > MAX_PORT:
            raise ValueError("TRIVET_METRICS_PORT leaves no port for each of the TRIVET_GATEWAY_WORKERS")
        return self

    @property
    def rate_limit_on(self) -> bool:
        return self.rate_limit == "on" or (self.rate_limit == "" and self.is_production)

    @property
    def trusts_loopback(self) -> bool:
        return self.trust_loopback == "on" or (self.trust_loopback == "" and not self.is_production)

    @property
    def docs_on(self) -> bool:
        return self.docs == "on" or (self.docs == "" and not self.is_production)
