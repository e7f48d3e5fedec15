"""The settings of the notifications service."""

from datetime import timedelta

from runtime.settings import Address, SealKeysField, ServiceSettings, from_env
from services.notifications.delivery.email.settings import MailSettings
from services.notifications.logs.levels import Level
from services.notifications.store.settings import MongoSettings


class NotificationsSettings(MongoSettings, ServiceSettings, MailSettings):
    """The settings of the notifications service, in addition to those of every service."""

    port: int = from_env("TRIVET_NOTIFICATIONS_PORT", default=50052, ge=0, le=65535, description="The gRPC port.")
    cache_address: Address = from_env(
        "TRIVET_CACHE_ADDRESS",
        default="127.0.0.1:50053",
        description="The gRPC address of the cache service: HOST:PORT.",
    )
    seal_keys: SealKeysField = from_env(
        "TRIVET_SEAL_KEYS",
        description="Keys that encrypt secrets at rest, separated by commas. The first encrypts, all decrypt.",
    )
    pool_size: int = from_env(
        "MONGODB_CONNECTION_POOL_SIZE",
        default=20,
        ge=1,
        le=1_000,
        description="The maximum number of open connections to MongoDB.",
    )
    store_timeout_ms: int = from_env(
        "TRIVET_MONGODB_TIMEOUT_MS",
        default=1_500,
        ge=50,
        le=60_000,
        description="The time limit of a call to MongoDB with its retries, in milliseconds, below callers' deadlines.",
    )
    notification_days: float = from_env(
        "TRIVET_NOTIFICATION_DAYS",
        default=30,
        gt=0,
        le=3_650,
        description="How long a notification is kept, in days, unless its creation sets another time.",
    )
    debug_log_days: float = from_env(
        "TRIVET_LOG_DEBUG_DAYS",
        default=3,
        gt=0,
        le=3_650,
        description="How long log entries of the level debug are kept, in days.",
    )
    info_log_days: float = from_env(
        "TRIVET_LOG_INFO_DAYS",
        default=14,
        gt=0,
        le=3_650,
        description="How long log entries of the level info are kept, in days.",
    )
    warning_log_days: float = from_env(
        "TRIVET_LOG_WARNING_DAYS",
        default=30,
        gt=0,
        le=3_650,
        description="How long log entries of the level warning are kept, in days.",
    )
    error_log_days: float = from_env(
        "TRIVET_LOG_ERROR_DAYS",
        default=90,
        gt=0,
        le=3_650,
        description="How long log entries of the level error are kept, in days.",
    )
    audit_days: float = from_env(
        "TRIVET_AUDIT_DAYS", default=365, gt=0, le=3_650, description="How long audit events are kept, in days."
    )

    @property
    def store_timeout(self) -> float:
        """The time limit of a call to MongoDB, in seconds."""
        return self.store_timeout_ms / 1_000

    @property
    def notification_ttl(self) -> timedelta:
        return timedelta(days=self.notification_days)

    @property
    def audit_ttl(self) -> timedelta:
        return timedelta(days=self.audit_days)

    @property
    def log_ttls(self) -> dict[Level, timedelta]:
        """How long entries are kept, by level."""
        return {
            "debug": timedelta(days=self.debug_log_days),
            "info": timedelta(days=self.info_log_days),
            "warning": timedelta(days=self.warning_log_days),
            "error": timedelta(days=self.error_log_days),
        }
