"""The settings of identity's database, for the service and for the operator's commands."""

from typing import Self

from pydantic import SecretStr, model_validator
from sqlalchemy.engine import URL

from runtime.settings import Settings, from_env
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.engine.store_url import StoreUrl


class StoreSettings(Settings):
    """The relational database, by one URL or by MYSQL_* variables."""

    database_url: SecretStr | None = from_env(
        "DATABASE_URL", default=None, description="mysql://, mariadb://, postgresql:// or sqlite:///PATH."
    )
    mysql_host: str = from_env(
        "MYSQL_HOST", default="", description="The host name of the MySQL server, if DATABASE_URL is unset."
    )
    mysql_port: int = from_env("MYSQL_PORT", default=3306, ge=1, le=65535, description="The port of the MySQL server.")
    mysql_user: str = from_env("MYSQL_USER", default="", description="The user name at the MySQL server.")
    mysql_password: SecretStr = from_env(
        "MYSQL_PASSWORD", default=SecretStr(""), description="The password of MYSQL_USER."
    )
    mysql_database: str = from_env(
        "MYSQL_DATABASE", default="trivet", description="The name of the database at the MySQL server."
    )
    pool_connections: int = from_env(
        "MYSQL_POOL_MAX_CONNECTIONS",
        default=10,
        ge=1,
        le=500,
        description="The maximum number of connections to the database, of every kind.",
    )
    pool_idle_ms: int = from_env(
        "MYSQL_POOL_IDLE_TIMEOUT_MS",
        default=60_000,
        ge=1,
        description="How many milliseconds a connection can be idle before it is replaced.",
    )
    statement_ms: int = from_env(
        "TRIVET_STORE_STATEMENT_MS",
        default=1_200,
        ge=100,
        le=60_000,
        description="The time limit of a statement in milliseconds. A caller with a shorter deadline gets "
        "DEADLINE_EXCEEDED.",
    )
    lock_ms: int = from_env(
        "TRIVET_STORE_LOCK_MS",
        default=1_100,
        ge=100,
        le=60_000,
        description="A transaction that waits longer for a lock is retried, in milliseconds. MySQL and TiDB round it "
        "down to whole seconds.",
    )
    wait_ms: int = from_env(
        "TRIVET_STORE_WAIT_MS",
        default=1_000,
        ge=100,
        le=60_000,
        description="A call that waits longer for a connection fails with STORE_BUSY, in milliseconds.",
    )
    attempt_ms: int = from_env(
        "TRIVET_STORE_ATTEMPT_MS",
        default=1_500,
        ge=100,
        le=60_000,
        description="A transaction that takes longer is aborted and its connection is closed, in milliseconds.",
    )
    slow_ms: int = from_env(
        "TRIVET_STORE_SLOW_MS",
        default=200,
        ge=0,
        le=60_000,
        description="A statement that takes this many milliseconds or longer is logged with its plan; 0 logs none.",
    )

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if not max(self.statement_ms, self.lock_ms) < self.attempt_ms:
            raise ValueError(
                "TRIVET_STORE_ATTEMPT_MS must be more than TRIVET_STORE_STATEMENT_MS and TRIVET_STORE_LOCK_MS"
            )
        return self

    @model_validator(mode="after")
    def _names_a_store(self) -> Self:
        if self.database_url is None and not self.mysql_host:
            raise ValueError("DATABASE_URL is missing (or MYSQL_HOST, MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE)")
        try:
            store_url.parse_usable(self.address)
        except ValueError as error:
            raise ValueError(f"DATABASE_URL: {error}") from None
        return self

    @property
    def address(self) -> str:
        """The URL of the database, with its password. It must not be logged."""
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
    def limits(self) -> StoreLimits:
        of_url = None if "pool_connections" in self.model_fields_set else self.store.parameters.connections
        return StoreLimits(
            connections=of_url or self.pool_connections,
            idle_seconds=self.pool_idle_ms / 1000,
            pool_seconds=self.wait_ms / 1000,
            statement_seconds=self.statement_ms / 1000,
            lock_seconds=self.lock_ms / 1000,
            attempt_seconds=self.attempt_ms / 1000,
            slow_seconds=self.slow_ms / 1000,
        )
