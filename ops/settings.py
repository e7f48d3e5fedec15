"""The settings of the `trivet` command."""

from pathlib import Path

from pydantic import SecretStr, ValidationInfo, field_validator

from ops import ROOT
from ops.policy import POLICY
from runtime.rpc.rights import checked, unknown
from runtime.settings import Environment, Secrets, Settings, Words, from_env

MIN_SECRET_LENGTH = 32
MIN_SECRET_LETTERS = 8
HOW_TO_MAKE_ONE = "make one with `openssl rand -hex 32`"
STORE_VARIABLES = {
    "sql": ("DATABASE_URL", "MYSQL_HOST"),
    "mongodb": ("MONGODB_URI", "MONGODB_URL"),
    "redis": ("REDIS_URL", "REDIS_HOST", "REDIS_PORT"),
}
"""The variables that configure a store. If one of them is set, no embedded store is started."""


class OpsSettings(Settings):
    """Settings of every subcommand."""

    http_port: int = from_env("TRIVET_HTTP_PORT", default=8080, ge=0, le=65535, description="The HTTP port.")
    secret: SecretStr = from_env(
        "TRIVET_SECRET",
        default=SecretStr(""),
        validate_default=True,
        description="The secret from which all keys are derived.",
    )
    secrets_old: Secrets = from_env(
        "TRIVET_SECRETS_OLD",
        default=(),
        description="Former secrets, by comma. Their signatures and encrypted data stay valid.",
    )
    data: Path | None = from_env("TRIVET_DATA", default=None, description="The data folder of embedded stores.")
    programs: Words = from_env(
        "TRIVET_PROGRAMS",
        default=("ops",),
        description="The product's own programs that can call the services, by comma.",
    )

    @field_validator("data", mode="before")
    @classmethod
    def _is_folder(cls, value: str | Path | None) -> Path | None:
        return Path(value).resolve() if value else None

    @field_validator("programs")
    @classmethod
    def _has_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(not word.replace("-", "").isalnum() for word in value):
            raise ValueError("names of letters, digits and dashes, by comma, for example `ops,billing`")
        return value

    @field_validator("secret")
    @classmethod
    def _is_good(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        secret = value.get_secret_value()
        if not secret and info.data.get("environment") is not Environment.PRODUCTION:
            return value
        if not secret:
            raise ValueError(f"must be set in production: {HOW_TO_MAKE_ONE}")
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"must have at least {MIN_SECRET_LENGTH} characters: {HOW_TO_MAKE_ONE}")
        if len(set(secret)) < MIN_SECRET_LETTERS:
            raise ValueError(f"is too easy to guess: {HOW_TO_MAKE_ONE}")
        return value

    @property
    def former_secrets(self) -> tuple[str, ...]:
        return tuple(each.get_secret_value() for each in self.secrets_old)

    @property
    def data_root(self) -> Path:
        """The folder of the secret: TRIVET_DATA, or the clone's `.data`."""
        return self.data or ROOT / ".data"

    @property
    def data_folder(self) -> Path:
        """The folder of one stack's stores: TRIVET_DATA, or `.data/PORT`, so that stacks on two ports do not meet."""
        return self.data or ROOT / ".data" / str(self.http_port)


class StoreUrlSettings(OpsSettings):
    """The stores beside the database, for subcommands that use all of them."""

    mongodb_uri: SecretStr = from_env(
        "MONGODB_URI",
        "MONGODB_URL",
        default=SecretStr(""),
        description="MongoDB: mongodb://USER:PASSWORD@HOST:PORT/DATABASE or mongodb+srv://..., with TLS by ?tls=true.",
    )
    redis_url: SecretStr = from_env(
        "REDIS_URL", default=SecretStr(""), description="Redis: redis://, rediss:// (TLS) or unix://."
    )
    prefix: str = from_env("TRIVET_CACHE_PREFIX", default="trivet:", description="The prefix of all keys in Redis.")


class StackSettings(OpsSettings):
    """Settings of `trivet run`."""

    identity_port: int = from_env("TRIVET_IDENTITY_PORT", default=50051, ge=0, le=65535, description="The gRPC port.")
    notifications_port: int = from_env(
        "TRIVET_NOTIFICATIONS_PORT", default=50052, ge=0, le=65535, description="The gRPC port."
    )
    program_rights: Words = from_env(
        "TRIVET_PROGRAM_RIGHTS",
        default=(),
        description="The RPCs that the product's own programs can call: PROGRAM=SERVICE/METHOD or SERVICE/*, by comma.",
    )
    gateway_workers: int = from_env(
        "TRIVET_GATEWAY_WORKERS",
        default=1,
        ge=1,
        le=64,
        description="The number of processes that serve the HTTP port.",
    )
    cache_port: int = from_env("TRIVET_CACHE_PORT", default=50053, ge=0, le=65535, description="The gRPC port.")

    @field_validator("program_rights")
    @classmethod
    def _are_of_programs_and_rpcs_that_exist(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if lines := unknown(checked(value), POLICY, info.data.get("programs", ())):
            raise ValueError("; ".join(lines))
        return value
