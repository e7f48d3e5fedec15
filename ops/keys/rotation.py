"""`trivet keys rotate`: replaces the secret step by step, so that no session, call or stored token is lost.

The file `rotation.json` in the data folder holds the next secret until the rotation is over. What is left to do is
found by comparing it with the settings, so the command continues after every interruption.
"""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.errors import WrongSettings
from ops.settings import OpsSettings
from ops.stack.data_folder import FORMER, former_secrets, keep, secret
from runtime.settings import from_env

NAME = "rotation.json"
ORDER = "cache, notifications, identity, then the gateways"


class RotationSettings(OpsSettings):
    """Settings of `trivet keys rotate`."""

    session_expires_seconds: int = from_env(
        "TRIVET_SESSION_EXPIRES_SECONDS",
        default=604_800,
        ge=60,
        description="How many seconds a session lasts after it was opened or refreshed.",
    )

    @property
    def overlap(self) -> timedelta:
        """How long the old secret is accepted: afterwards no cookie that it signed is in use."""
        return timedelta(seconds=self.session_expires_seconds)


@dataclass(frozen=True)
class Rotation:
    """A rotation in progress. `signs_since` is the time at which the step "sign" was found done, in ISO 8601."""

    old: str
    new: str
    signs_since: str = ""

    def ends(self, overlap: timedelta) -> datetime:
        return datetime.fromisoformat(self.signs_since) + overlap


@dataclass(frozen=True)
class Step:
    """What the operator has to do now. `variables` are to be set for every process."""

    number: int
    title: str
    variables: dict[str, str]
    then: str
    reseals: bool = False


STEPS = 4


def path(settings: OpsSettings) -> Path:
    return settings.data_root / NAME


def found(settings: OpsSettings) -> Rotation | None:
    """Return the rotation in progress. Raises WrongSettings if its file cannot be read."""
    kept = path(settings)
    if not kept.exists():
        return None
    try:
        return Rotation(**json.loads(kept.read_text()))
    except (OSError, ValueError, TypeError):
        raise WrongSettings(
            f"{kept} cannot be read: put it back from a copy, or remove it if no process has its secret"
        ) from None


def begun(settings: OpsSettings) -> Rotation:
    """Return the rotation in progress, or begin one with a new secret."""
    rotation = found(settings)
    if rotation is None:
        rotation = Rotation(old=secret(settings), new=secrets.token_hex(32))
        _keep(settings, rotation)
    return rotation


def _keep(settings: OpsSettings, rotation: Rotation) -> None:
    keep(path(settings), json.dumps(asdict(rotation)) + "\n")


def next_step(settings: RotationSettings, rotation: Rotation, now: datetime) -> Step:
    """Return the step that the settings do not show as done. Raises WrongSettings if they fit no step."""
    current, former = secret(settings), former_secrets(settings)
    others = [each for each in former if each not in (rotation.old, rotation.new)]
    if current == rotation.old and rotation.new not in former:
        return Step(
            1,
            "every process accepts the new secret",
            {"TRIVET_SECRETS_OLD": ",".join([rotation.new, *others])},
            f"restart {ORDER}, and run this again with the same settings",
        )
    if current == rotation.old:
        return Step(
            2,
            "every process signs with the new secret, and accepts the old one",
            {"TRIVET_SECRET": rotation.new, "TRIVET_SECRETS_OLD": ",".join([rotation.old, *others])},
            f"restart {ORDER}, and run this again with the same settings",
        )
    if current != rotation.new:
        raise WrongSettings(
            f"TRIVET_SECRET is neither the old nor the new secret of {path(settings)}: set one of them, or remove the"
            " file if no process has its secret"
        )
    if rotation.old in former:
        if not rotation.signs_since:
            rotation = replace(rotation, signs_since=now.astimezone(UTC).isoformat(timespec="seconds"))
            _keep(settings, rotation)
        ends = rotation.ends(settings.overlap)
        if now < ends:
            return Step(
                3,
                "stored tokens are encrypted with the new secret",
                {},
                f"run this again after {ends:%Y-%m-%d %H:%M} UTC, when no session of the old secret is left",
                reseals=True,
            )
        return Step(
            4,
            "no process accepts the old secret",
            {"TRIVET_SECRETS_OLD": ",".join(others)},
            f"restart {ORDER}, and run this again with the same settings",
            reseals=True,
        )
    if not rotation.signs_since or now < rotation.ends(settings.overlap):
        raise WrongSettings(
            "the old secret left TRIVET_SECRETS_OLD too early, and its sessions are lost: put it back from"
            f" {path(settings)}"
        )
    return Step(STEPS, "the old secret is out of use", {}, "the rotation is over")


def end(settings: OpsSettings) -> None:
    """Forget the rotation, and with it the old secret."""
    path(settings).unlink(missing_ok=True)


def is_kept(settings: OpsSettings) -> bool:
    """Whether the secret is the one that `trivet run` keeps in the data folder."""
    return not settings.secret.get_secret_value()


def apply(settings: OpsSettings, step: Step) -> None:
    """Do a step for a kept secret: write the files that `trivet run` reads. The former secrets come first."""
    if "TRIVET_SECRETS_OLD" in step.variables:
        keep(settings.data_root / FORMER, step.variables["TRIVET_SECRETS_OLD"].replace(",", "\n") + "\n")
    if "TRIVET_SECRET" in step.variables:
        keep(settings.data_root / "secret", step.variables["TRIVET_SECRET"] + "\n")
