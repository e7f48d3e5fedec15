"""The settings of `trivet backup`."""

from pathlib import Path

from pydantic import SecretStr

from ops.settings import OpsSettings
from runtime.settings import Words, from_env


class BackupSettings(OpsSettings):
    """Where backups are kept, for whom they are encrypted, and the stores beside the database."""

    to: str = from_env("TRIVET_BACKUP_TO", default="", description="The folder that backups are kept in.")
    recipients: Words = from_env(
        "TRIVET_BACKUP_RECIPIENTS",
        default=(),
        description="Public keys of age or SSH, by comma. Backups are encrypted for them; without one they are not.",
    )
    identity: Path | None = from_env(
        "TRIVET_BACKUP_IDENTITY", default=None, description="The file with the private key that opens backups."
    )
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
