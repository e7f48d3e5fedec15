"""What the identity service is told."""

from datetime import timedelta
from typing import Self

from pydantic import SecretStr, model_validator
from sqlalchemy.engine import URL

from runtime.settings import ServiceSettings, from_env
from services.identity import store_url
from services.identity.engine import Limits
from services.identity.hashing import Cost
from services.identity.sessions import Lifetimes
from services.identity.store_url import StoreUrl


class IdentitySettings(ServiceSettings):
    """What the identity service is told beyond what every service is."""

    port: int = from_env("TRIVET_IDENTITY_PORT", default=50051, ge=0, le=65535, description="Where gRPC is served.")
    cache_address: str = from_env("TRIVET_CACHE_ADDRESS", default="127.0.0.1:50053", description="HOST:PORT.")

    database_url: SecretStr | None = from_env(
        "DATABASE_URL", default=None, description="mysql://, mariadb://, postgresql:// or sqlite:///PATH."
    )
    mysql_host: str = from_env("MYSQL_HOST", default="", description="Instead of DATABASE_URL: the server's name.")
    mysql_port: int = from_env("MYSQL_PORT", default=3306, ge=1, le=65535, description="The server's port.")
    mysql_user: str = from_env("MYSQL_USER", default="", description="Who we are there.")
    mysql_password: SecretStr = from_env("MYSQL_PASSWORD", default=SecretStr(""), description="The user's password.")
    mysql_database: str = from_env("MYSQL_DATABASE", default="trivet", description="The database's name.")
    pool_connections: int = from_env(
        "MYSQL_POOL_MAX_CONNECTIONS", default=10, ge=1, le=500, description="The most connections to the database."
    )
    pool_idle_ms: int = from_env(
        "MYSQL_POOL_IDLE_TIMEOUT_MS", default=60_000, ge=1, description="A connection unused for so long is replaced."
    )

    session_expires_seconds: int = from_env(
        "TRIVET_SESSION_EXPIRES_SECONDS", default=604_800, ge=60, description="How long a session lives."
    )
    session_update_seconds: int = from_env(
        "TRIVET_SESSION_UPDATE_SECONDS", default=86_400, ge=0, description="How old its refresh must be for another."
    )
    refuse_common_passwords: bool = from_env(
        "TRIVET_REFUSE_COMMON_PASSWORDS", default=True, description="Whether the 3,000 commonest are refused."
    )
    hashing_memory_kib: int = from_env(
        "TRIVET_HASHING_MEMORY_KIB", default=19_456, ge=8, description="Argon2id's memory per password."
    )
    hashing_passes: int = from_env("TRIVET_HASHING_PASSES", default=2, ge=1, description="Argon2id's passes.")
    hashing_workers: int = from_env(
        "TRIVET_HASHING_WORKERS", default=0, ge=0, description="Threads that hash; 0 for one less than there are cores."
    )
    hashing_queue: int = from_env(
        "TRIVET_HASHING_QUEUE", default=80, ge=1, description="Passwords that may wait; more are refused at once."
    )
    sweep_seconds: float = from_env(
        "TRIVET_SWEEP_SECONDS", default=60.0, gt=0, description="How often what has expired is removed."
    )
    relay_seconds: float = from_env(
        "TRIVET_RELAY_SECONDS", default=1.0, gt=0, description="How often unconfirmed invalidations are sent again."
    )

    @model_validator(mode="after")
    def _names_a_store(self) -> Self:
        if self.database_url is None and not self.mysql_host:
            raise ValueError("DATABASE_URL is missing (or MYSQL_HOST, MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE)")
        try:
            store_url.parse(self.address)
        except ValueError as error:
            raise ValueError(f"DATABASE_URL: {error}") from None
        return self

    @property
    def address(self) -> str:
        """The database's address with its password: for `migrate.py` and nobody's eyes."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        url = URL.create(
            "mysql",
            self.mysql_user or None,
            self.mysql_password.get_secret_value() or None,
            self.mysql_host,
            self.mysql_port,
            self.mysql_database,
        )
        return url.render_as_string(hide_password=False)

    @property
    def store(self) -> StoreUrl:
        return store_url.parse(self.address)

    @property
    def limits(self) -> Limits:
        return Limits(connections=self.pool_connections, idle_seconds=self.pool_idle_ms / 1000)

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            timedelta(seconds=self.session_expires_seconds), timedelta(seconds=self.session_update_seconds)
        )

    @property
    def hashing(self) -> Cost:
        return Cost(
            self.hashing_memory_kib,
            self.hashing_passes,
            workers=self.hashing_workers or Cost.workers,
            queue=self.hashing_queue,
        )
