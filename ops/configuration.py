"""`make configuration`: writes docs/configuration.md from the descriptions of the settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ops import ROOT
from ops.backup.settings import BackupSettings
from ops.grants.settings import GrantsSettings
from ops.settings import StackSettings
from ops.stack.endpoints import EndpointSettings
from ops.stack.environment import PROCESSES, settings_of
from runtime.settings import Settings

PAGE = ROOT / "docs" / "configuration.md"
COMMAND = "trivet"
TITLES = {
    "Settings": "Every process",
    "SiteSettings": "The site: secret and addresses",
    "ServiceSettings": "Every gRPC service",
    "GatewaySettings": "The gateway",
    "IdentitySettings": "Identity: sessions and passwords",
    "EmailSettings": "Identity: what users must and can do by email",
    "OAuthSettings": "Identity: sign-in at providers",
    "StripeSettings": "Identity: Stripe",
    "StoreSettings": "Identity: the database",
    "MongoSettings": "Notifications",
    "NotificationsSettings": "Notifications",
    "MailSettings": "Notifications: the mail server",
    "RedisSettings": "The cache",
    "CacheSettings": "The cache",
    "OpsSettings": "The trivet command and the whole stack",
    "StackSettings": "The trivet command and the whole stack",
    "StoreUrlSettings": "The trivet command and the whole stack",
    "BackupSettings": "Backups",
    "EndpointSettings": "The trivet command and the whole stack",
    "GrantsSettings": "Users of the stores",
}
"""The section of the settings that a class declares, in the order of the page."""
HEAD = """# Configuration

`make configuration` writes this page from the settings themselves. Every setting is an environment variable.
`bin/trivet run` takes all of them, and gives each process only those that it reads. Every process checks its settings
at the start: it reports all mistakes together, by name, and exits with status 2.

A variable that begins with `TRIVET_` and that no process reads causes a warning that suggests the closest name. In
production it stops the start.

A default of `required` means that the process does not start without a value. `bin/trivet run` makes the keys for its
processes, and in development also the secret and the stores; a process that is started alone needs them from
`bin/trivet keys`. `unset` means that the meaning says what holds then.

These variables are not in the tables:

- `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector that receives traces by OTLP over gRPC. Without it no traces are made.
- `CREDENTIALS_DIRECTORY`: systemd's folder of credentials. Every `*.env` file in it is read as lines NAME=VALUE. A
  variable of the environment wins.
- `TRIVET_IMPORT_FROM` and `TRIVET_EXPORT_TO`: the database of `bin/trivet import` and `bin/trivet export`, in place
  of `--from` and `--to`, so that no password stands on a command line.
- `TRIVET_VERIFY_DATABASE_URL`, `TRIVET_VERIFY_MONGODB_URI` and `TRIVET_VERIFY_PASSWORD`: the scratch stores of
  `bin/trivet backup verify`, and the password of its `--sign-in`.
- `TRIVET_OAUTH_<PROVIDER>_CLIENT_ID` and its siblings: one group for each provider, see [the Better Auth
  protocol](better-auth.md#providers).
"""


@dataclass
class Variable:
    """One environment variable: its name and aliases, the field that declares it, and the processes that read it."""

    names: tuple[str, ...]
    section: str
    declared: FieldInfo
    read_by: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        named = " or ".join(f"`{name}`" for name in self.names)
        meaning = (self.declared.description or "").replace("|", "\\|").replace("<", "&lt;")
        return (
            f"| {named} | {default(self.declared)} | {values(self.declared)} | {meaning} | {', '.join(self.read_by)} |"
        )


def default(declared: FieldInfo) -> str:
    """Return the default as an operator writes it, or `required`, or `unset` for an empty one."""
    if declared.is_required():
        return "required"
    value = declared.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return (
        "unset" if value in (None, PydanticUndefined, "") or not isinstance(value, int | float | str) else f"`{value}`"
    )


def values(declared: FieldInfo) -> str:
    """Return the values that the type of a setting allows."""
    kind: Any = declared.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(kind) if each)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    if kind is bool or bool in get_args(kind):
        return "`true`, `false`"
    bounds = {
        name: getattr(each, name) for each in declared.metadata for name in ("ge", "gt", "le") if hasattr(each, name)
    }
    low = f"from {bounds['ge']:,}" if "ge" in bounds else f"above {bounds['gt']:,}" if "gt" in bounds else ""
    high = f"to {bounds['le']:,}" if "le" in bounds else ""
    return " ".join(filter(None, (low, high)))


def variables() -> dict[tuple[str, ...], Variable]:
    """Return all variables by their names. If two classes declare one, a process's own description wins."""
    found: dict[tuple[str, ...], Variable] = {}
    for reader, kind in _readers():
        for name, declared in kind.model_fields.items():
            alias = declared.validation_alias
            if not isinstance(alias, AliasChoices):
                continue
            names = tuple(map(str, alias.choices))
            owner = next(base for base in reversed(kind.__mro__) if name in getattr(base, "model_fields", ()))
            entry = found.setdefault(names, Variable(names, TITLES[owner.__name__], declared))
            if reader not in entry.read_by:
                entry.read_by.append(reader)
    return found


def page() -> str:
    """Return docs/configuration.md."""
    found = variables().values()
    parts = [HEAD]
    for title in dict.fromkeys(TITLES.values()):
        rows = [each.row for each in sorted(found, key=lambda each: each.names) if each.section == title]
        header = "| variable | default | values | meaning | read by |\n| --- | --- | --- | --- | --- |"
        parts.append("\n".join([f"## {title}\n", header, *rows, ""]))
    return "\n".join(parts)


def _readers() -> Iterator[tuple[str, type[Settings]]]:
    for process in ("gateway", *(name for name in PROCESSES if name != "gateway")):
        yield process, settings_of(process)
    yield COMMAND, StackSettings
    yield COMMAND, BackupSettings
    yield COMMAND, EndpointSettings
    yield COMMAND, GrantsSettings


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
