"""The settings of `trivet backup`."""

from pathlib import Path

from pydantic import field_validator

from ops.backup.retention import DEFAULT, Rules, rules_in
from ops.errors import WrongSettings
from ops.settings import StoreUrlSettings
from runtime.settings import Words, from_env


class BackupSettings(StoreUrlSettings):
    """Where backups are kept, for whom they are encrypted, and the stores beside the database."""

    prefixes = ("AWS_",)
    """Variables that boto3 reads."""

    to: str = from_env(
        "TRIVET_BACKUP_TO",
        default="",
        description="Where backups are kept: a folder, or s3://BUCKET/PREFIX with the AWS_ variables of boto3.",
    )
    recipients: Words = from_env(
        "TRIVET_BACKUP_RECIPIENTS",
        default=(),
        description="Public keys of age or SSH, by comma. Backups are encrypted for them; without one they are not.",
    )
    identity: Path | None = from_env(
        "TRIVET_BACKUP_IDENTITY", default=None, description="The file with the private key that opens backups."
    )
    every_hours: float = from_env(
        "TRIVET_BACKUP_EVERY_HOURS",
        default=0,
        ge=0,
        le=8_760,
        description="The hours between two backups that `trivet run` makes. 0 makes none.",
    )
    keep: str = from_env(
        "TRIVET_BACKUP_KEEP", default=DEFAULT, description="Which backups stay: the newest of each hour, day and so on."
    )

    @field_validator("keep")
    @classmethod
    def _says_what_to_keep(cls, value: str) -> str:
        try:
            rules_in(value)
        except WrongSettings as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def rules(self) -> Rules:
        return rules_in(self.keep)
