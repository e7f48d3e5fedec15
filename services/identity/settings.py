"""The settings of the identity service."""

import logging
from datetime import timedelta

from pydantic import SecretStr, field_validator

from identity_rules.custom_fields import NO_FIELDS, SESSION_FIELDS, USER_FIELDS, SessionFields, UserFields
from runtime.settings import Address, SealKeysField, Secrets, ServiceSettings, SiteSettings, from_env
from services.identity.billing.settings import StripeSettings
from services.identity.email.settings import EmailSettings
from services.identity.oauth.config import OAuthConfig
from services.identity.oauth.providers.settings import OAuthSettings
from services.identity.passwords.hashing import HashingConfig
from services.identity.sessions.session import Lifetimes
from services.identity.site import Site
from services.identity.store.engine import store_url
from services.identity.store.engine.settings import StoreSettings
from services.identity.store.engine.store_url import StoreUrl

logger = logging.getLogger(__name__)


class IdentitySettings(ServiceSettings, SiteSettings, StoreSettings, EmailSettings, OAuthSettings, StripeSettings):
    """The settings that only the identity service has."""

    port: int = from_env(
        "TRIVET_IDENTITY_PORT", default=50051, ge=0, le=65535, description="The port of the gRPC server."
    )
    cache_address: Address = from_env(
        "TRIVET_CACHE_ADDRESS", default="127.0.0.1:50053", description="HOST:PORT of the cache service."
    )
    notifications_address: Address = from_env(
        "TRIVET_NOTIFICATIONS_ADDRESS", default="127.0.0.1:50052", description="HOST:PORT of the notifications service."
    )
    seal_keys: SealKeysField = from_env(
        "TRIVET_SEAL_KEYS",
        description="Keys that encrypt secrets at rest, by comma. The first one encrypts; all of them decrypt.",
    )

    user_fields: UserFields = from_env("TRIVET_USER_FIELDS", default=NO_FIELDS, description=USER_FIELDS)
    session_fields: SessionFields = from_env("TRIVET_SESSION_FIELDS", default=NO_FIELDS, description=SESSION_FIELDS)
    session_expires_seconds: int = from_env(
        "TRIVET_SESSION_EXPIRES_SECONDS",
        default=604_800,
        ge=60,
        description="How many seconds a session lasts after it was opened or refreshed.",
    )
    session_update_seconds: int = from_env(
        "TRIVET_SESSION_UPDATE_SECONDS",
        default=86_400,
        ge=0,
        description="The age of a refresh, in seconds, from which the next use of a session refreshes it again.",
    )
    refuse_common_passwords: bool = from_env(
        "TRIVET_REFUSE_COMMON_PASSWORDS",
        default=True,
        description="Whether the 3,000 most common passwords are refused as new passwords.",
    )
    hashing_memory_kib: int = from_env(
        "TRIVET_HASHING_MEMORY_KIB",
        default=19_456,
        ge=8,
        description="The memory that Argon2id uses for one password, in KiB.",
    )
    hashing_passes: int = from_env(
        "TRIVET_HASHING_PASSES", default=2, ge=1, description="The number of passes (the time cost) of Argon2id."
    )
    hashing_workers: int = from_env(
        "TRIVET_HASHING_WORKERS",
        default=0,
        ge=0,
        description="The number of threads that hash passwords. 0 means one less than the number of CPU cores.",
    )
    hashing_queue: int = from_env(
        "TRIVET_HASHING_QUEUE",
        default=80,
        ge=1,
        description="How many passwords can wait for a thread. Further calls fail at once with HASHING_OVERLOADED.",
    )
    sweep_seconds: float = from_env(
        "TRIVET_SWEEP_SECONDS", default=60.0, gt=0, description="The seconds between two deletions of expired rows."
    )
    relay_seconds: float = from_env(
        "TRIVET_RELAY_SECONDS",
        default=1.0,
        gt=0,
        description="The seconds between two deliveries of outbox messages that wait, such as invalidations.",
    )
    replica_urls: Secrets = from_env(
        "TRIVET_REPLICA_URLS",
        default=(),
        description="Replicas of MySQL or MariaDB whose lag is measured, as mysql://USER:PASSWORD@HOST/DATABASE, by "
        "comma. PostgreSQL's primary reports its replicas itself.",
    )

    @field_validator("replica_urls")
    @classmethod
    def _are_replicas(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(store_url.parse_usable(each.get_secret_value()).kind != "mysql" for each in value):
            raise ValueError("each must be mysql://... or mariadb://...")
        return value

    @property
    def replicas(self) -> list[StoreUrl]:
        return [store_url.parse(each.get_secret_value()) for each in self.replica_urls]

    @property
    def site(self) -> Site:
        return Site(
            base_url=self.base_url,
            secrets=self.all_secrets,
            rules=self.email_rules,
            lifetimes=self.lifetimes,
            refuse_common=self.refuse_common_passwords,
        )

    @property
    def oauth(self) -> OAuthConfig:
        return OAuthConfig(
            providers=self.providers,
            rules=self.oauth_rules,
            base_url=self.base_url,
            loopback=not self.is_production,
            error_url=self.error_url,
            grace_seconds=self.grace_seconds,
        )

    def warn_about_the_store(self) -> None:
        """Log a warning for each part of DATABASE_URL that the operator should change."""
        for name, why in self.store.parameters.ignored.items():
            logger.warning("DATABASE_URL: the parameter %s has no effect: %s", name, why)
        if self.is_production and self.store.is_unencrypted_remote:
            logger.warning(
                "DATABASE_URL: the connection to the database is not encrypted: set sslmode=require or verify-full"
            )

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            timedelta(seconds=self.session_expires_seconds), timedelta(seconds=self.session_update_seconds)
        )

    @property
    def hashing(self) -> HashingConfig:
        return HashingConfig(
            self.hashing_memory_kib,
            self.hashing_passes,
            workers=self.hashing_workers or HashingConfig.workers,
            queue=self.hashing_queue,
        )
