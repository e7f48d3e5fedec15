"""Settings that processes share."""

import sys
from enum import Enum
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.listening import authority
from runtime.rpc import rights
from runtime.settings.fields import (
    MIN_SECRET_LENGTH,
    FormerKeys,
    FormerKeysField,
    Keys,
    PairKeysField,
    Secrets,
    Words,
    from_env,
    long_enough,
)

SETTINGS_FILE = "TRIVET_SETTINGS_FILE"
LOCAL_HOSTS = ("127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "")  # noqa: S104  # compared, not bound


class Environment(Enum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Settings of every process."""

    model_config = SettingsConfigDict(
        populate_by_name=True, extra="ignore", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    prefixes: ClassVar[tuple[str, ...]] = ()
    """Variables whose names begin with one of these are read too."""

    settings_file: str = from_env(
        SETTINGS_FILE,
        default="",
        description="A file of NAME=VALUE lines for variables that are unset. It is read at the start and on SIGHUP.",
    )
    environment: Environment = from_env(
        "TRIVET_ENV", default=Environment.DEVELOPMENT, description="development or production"
    )
    host: str = from_env(
        "TRIVET_HOST", default="127.0.0.1", description="The address to listen on: IPv4, IPv6 or a name."
    )
    metrics_port: int = from_env(
        "TRIVET_METRICS_PORT", default=0, ge=0, le=65535, description="The port of /metrics; 0 turns it off."
    )
    log_format: Literal["auto", "json", "text"] = from_env(
        "TRIVET_LOG_FORMAT", default="auto", description="auto, json or text."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = from_env(
        "TRIVET_LOG_LEVEL", default="INFO", description="The lowest level that is logged."
    )
    trace_ratio: float = from_env(
        "TRIVET_TRACE_RATIO",
        default=1.0,
        ge=0,
        le=1,
        description="The share of the traces begun here that is recorded.",
    )

    @property
    def is_production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @property
    def json_logs(self) -> bool:
        return self.log_format == "json" or (self.log_format == "auto" and not sys.stderr.isatty())


def local_url(host: str, port: int) -> str:
    """Return the URL of a local server for a browser on this machine, with `localhost` if possible.

    Browsers keep the cookies of `localhost` and `127.0.0.1` apart, and pages in development are at `localhost`.
    """
    return f"http://{authority('localhost' if host in LOCAL_HOSTS else host, port)}"


class SiteSettings(Settings):
    """Settings of the processes that sign cookies and write links."""

    secret: SecretStr = from_env("TRIVET_SECRET", description="Signs cookies and links. At least 32 random characters.")
    secrets_old: Secrets = from_env(
        "TRIVET_SECRETS_OLD", default=(), description="Former secrets, by comma. Their cookies and links stay valid."
    )
    base_url: str = from_env("TRIVET_BASE_URL", default="", description="The address that browsers use.")
    http_port: int = from_env("TRIVET_HTTP_PORT", default=8080, ge=0, le=65535, description="The HTTP port.")

    error_url: str = from_env(
        "TRIVET_ERROR_URL",
        default="",
        description="The page for failed sign-ins and bad links, with ?error=CODE. Default: the gateway's page.",
    )

    @field_validator("error_url")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme and (parts.netloc or parts.path)):
            raise ValueError("must be an absolute address, for example https://app.example.com/sign-in-failed")
        return value

    @field_validator("secrets_old")
    @classmethod
    def _are_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return long_enough(value)

    @model_validator(mode="after")
    def _has_an_address_and_a_secret(self) -> Self:
        if len(self.secret.get_secret_value()) < MIN_SECRET_LENGTH:
            raise ValueError(f"TRIVET_SECRET must have at least {MIN_SECRET_LENGTH} characters: `openssl rand -hex 32`")
        if not self.base_url:
            if self.is_production:
                raise ValueError("TRIVET_BASE_URL must be set in production, for example https://app.example.com")
            self.base_url = local_url(self.host, self.http_port)
        if urlsplit(self.base_url).scheme not in ("http", "https") or not urlsplit(self.base_url).hostname:
            raise ValueError("TRIVET_BASE_URL must be like https://app.example.com")
        return self

    @property
    def all_secrets(self) -> tuple[str, ...]:
        """The current secret, then the former ones."""
        return tuple(each.get_secret_value() for each in (self.secret, *self.secrets_old))


class ServiceSettings(Settings):
    """Settings of every gRPC service."""

    accept_keys: PairKeysField = from_env(
        "TRIVET_ACCEPT_KEYS", description="CALLER=HEX,...: the key shared with each caller; see `trivet keys`."
    )
    accept_keys_old: FormerKeysField = from_env(
        "TRIVET_ACCEPT_KEYS_OLD",
        default=FormerKeys(),
        description="CALLER=HEX,...: keys of former secrets that are accepted too; see `trivet keys`.",
    )
    call_keys: PairKeysField = from_env(
        "TRIVET_CALL_KEYS",
        default=Keys(),
        description="SERVICE=HEX,...: the key shared with each service that is called.",
    )
    people_callers: Words = from_env(
        "TRIVET_PEOPLE_CALLERS",
        default=("gateway",),
        description="The programs that can call for a person, by comma.",
    )
    program_rights: Words = from_env(
        "TRIVET_PROGRAM_RIGHTS",
        default=(),
        description="The RPCs that the product's own programs can call: PROGRAM=SERVICE/METHOD or SERVICE/*, by comma.",
    )
    reflection: bool | None = from_env(
        "TRIVET_REFLECTION", default=None, description="Whether gRPC reflection is on; by default in development only."
    )
    call_limit_seconds: float = from_env(
        "TRIVET_CALL_LIMIT_SECONDS",
        default=10.0,
        gt=0,
        description="The deadline of a unary call whose .proto declares none.",
    )
    stack_id: str = from_env(
        "TRIVET_STACK_ID", default="", description="The id of the stack. `trivet run` creates one for each run."
    )
    grace_seconds: float = from_env(
        "TRIVET_GRACE_SECONDS", default=2.0, ge=0, description="How long a graceful shutdown waits for open calls."
    )

    @field_validator("program_rights")
    @classmethod
    def _are_rights(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return rights.checked(value)

    @property
    def reflection_on(self) -> bool:
        return self.reflection if self.reflection is not None else not self.is_production
