"""The settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator
from pydantic_settings import NoDecode

from gateway.http.link_target import origin_of
from gateway.http.origin_patterns import pattern_of
from identity_rules.custom_fields import NO_FIELDS, SESSION_FIELDS, USER_FIELDS, SessionFields, UserFields
from runtime.settings import Address, Keys, PairKeysField, SiteSettings, Words, from_env, split_words

MAX_PORT = 65_535


def _networks(value: Any) -> Any:
    return tuple(ip_network(part) for part in split_words(value)) if isinstance(value, str) else value


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]


class GatewaySettings(SiteSettings):
    """The settings of the gateway, beside those of every process."""

    trusted_origins: Words = from_env(
        "TRIVET_TRUSTED_ORIGINS",
        default=(),
        description="Origins beside the gateway's own that can send cookies, by comma.",
    )
    trust_loopback: Literal["on", "off", ""] = from_env(
        "TRIVET_TRUST_LOOPBACK",
        default="",
        description="on or off: trust all pages of this machine, on every port. Unset, it is on in development.",
    )
    trusted_proxies: Networks = from_env(
        "TRIVET_TRUSTED_PROXIES",
        default=(),
        description="Networks of proxies whose X-Forwarded-For is trusted, by comma.",
    )
    rate_limit: Literal["on", "off", ""] = from_env(
        "TRIVET_RATE_LIMIT",
        default="",
        description="on or off: limit the rate of requests. Unset, it is on in production.",
    )
    cookie_cache: Literal["off", "compact", "jwt"] = from_env(
        "TRIVET_COOKIE_CACHE",
        default="off",
        description="off, compact or jwt: the format of `session_data`, which a front end's middleware reads.",
    )
    cookie_cache_seconds: int = from_env(
        "TRIVET_COOKIE_CACHE_SECONDS",
        default=300,
        ge=1,
        le=86_400,
        description="How many seconds `session_data` is valid.",
    )
    user_fields: UserFields = from_env("TRIVET_USER_FIELDS", default=NO_FIELDS, description=USER_FIELDS)
    session_fields: SessionFields = from_env("TRIVET_SESSION_FIELDS", default=NO_FIELDS, description=SESSION_FIELDS)
    near_cache_bytes: int = from_env(
        "TRIVET_NEAR_CACHE_BYTES",
        default=64 * 1024 * 1024,
        ge=0,
        le=4 * 1024 * 1024 * 1024,
        description="The size of each gateway's near cache in bytes. 0 switches it off.",
    )
    header_seconds: int = from_env(
        "TRIVET_HEADER_SECONDS",
        default=5,
        ge=1,
        le=300,
        description="How many seconds a connection can be idle or send its headers. A body, and a client"
        " that does not read its answer, have twice as many.",
    )
    workers: int = from_env(
        "TRIVET_GATEWAY_WORKERS",
        default=1,
        ge=1,
        le=64,
        description="How many processes answer on the port. Each has its own bounds of memory and requests.",
    )
    log_hits_every: int = from_env(
        "TRIVET_LOG_HITS_EVERY",
        default=100,
        ge=1,
        description="Log one of every N session checks that a cache answered. 1 logs all.",
    )
    drain_seconds: float = from_env(
        "TRIVET_DRAIN_SECONDS",
        default=0,
        ge=0,
        le=60,
        description="How many seconds readiness fails before connections are refused, so that a load balancer notices.",
    )
    docs: Literal["on", "off", ""] = from_env(
        "TRIVET_DOCS", default="", description="on or off: serve /docs. Unset, it is off in production."
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
            raise ValueError("TRIVET_METRICS_PORT is too high: each of TRIVET_GATEWAY_WORKERS needs a port of its own")
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
