"""The settings of the notifications service."""

from datetime import timedelta

from pydantic import SecretStr, field_validator
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from runtime.settings import Address, SealKeysField, ServiceSettings, from_env
from services.notifications.delivery.email.settings import MailSettings
from services.notifications.logs.levels import Level

DEFAULT_DATABASE = "trivet"
SCHEMES = ("mongodb://", "mongodb+srv://")


class NotificationsSettings(ServiceSettings, MailSettings):
    """The settings beyond those of every service."""

    port: int = from_env(
        "TRIVET_NOTIFICATIONS_PORT", default=50052, ge=0, le=65535, description="Where gRPC is served."
    )
    cache_address: Address = from_env("TRIVET_CACHE_ADDRESS", default="127.0.0.1:50053", description="HOST:PORT.")
    mongodb_uri: SecretStr = from_env(
        "MONGODB_URI",
        "MONGODB_URL",
        description="mongodb://HOST:PORT/DATABASE or mongodb+srv://...; TLS as its options.",
    )
    seal_keys: SealKeysField = from_env(
        "TRIVET_SEAL_KEYS", description="Encrypt secrets at rest, the first one; the others are still opened, by comma."
    )
    pool_size: int = from_env(
        "MONGODB_CONNECTION_POOL_SIZE", default=20, ge=1, le=1_000, description="The most connections that are open."
    )
    store_timeout_ms: int = from_env(
        "TRIVET_MONGODB_TIMEOUT_MS",
        default=1_500,
        ge=50,
        le=60_000,
        description="The longest that a call to MongoDB may take, retries included; below callers' deadlines.",
    )
    notification_days: float = from_env(
        "TRIVET_NOTIFICATION_DAYS", default=30, gt=0, le=3_650, description="How long a notification is kept."
    )
    debug_log_days: float = from_env(
        "TRIVET_LOG_DEBUG_DAYS", default=3, gt=0, le=3_650, description="How long debug entries are kept."
    )
    info_log_days: float = from_env(
        "TRIVET_LOG_INFO_DAYS", default=14, gt=0, le=3_650, description="How long info entries are kept."
    )
    warning_log_days: float = from_env(
        "TRIVET_LOG_WARNING_DAYS", default=30, gt=0, le=3_650, description="How long warnings are kept."
    )
    error_log_days: float = from_env(
        "TRIVET_LOG_ERROR_DAYS", default=90, gt=0, le=3_650, description="How long errors are kept."
    )
    audit_days: float = from_env(
        "TRIVET_AUDIT_DAYS", default=365, gt=0, le=3_650, description="How long audit events are kept."
    )

    @field_validator("mongodb_uri")
    @classmethod
    def _is_a_uri(cls, value: SecretStr) -> SecretStr:
        uri = value.get_secret_value()
        if not uri.startswith(SCHEMES):
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        if uri.startswith(SCHEMES[0]):  # the other needs DNS, which may not be up yet
            try:
                parse_uri(uri)
            except (PyMongoError, ValueError):  # their texts quote the URI, password and all
                raise ValueError("is not a MongoDB URI: mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS") from None
        return value

    @property
    def store_timeout(self) -> float:
        """In seconds."""
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
