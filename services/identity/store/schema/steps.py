"""The migrations as their files declare them."""

from collections.abc import Sequence
from dataclasses import dataclass

from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from services.identity.store.schema.schema_check import MIGRATIONS


@dataclass(frozen=True)
class Step:
    """A migration. `release` is the first release that has it.

    `retires` names tables (`users`) and columns (`users.nickname`) that the code of that release neither reads nor
    writes any more. `drops` names those that the migration takes away or renames. `oldest_code` is the newest
    migration that code must know to work at this one.
    """

    revision: str
    name: str
    release: str
    retires: tuple[str, ...]
    drops: tuple[str, ...]
    oldest_code: str


def alembic_config() -> Config:
    """Return Alembic's configuration, which has no file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def script_directory() -> ScriptDirectory:
    """Return our migrations as Alembic knows them."""
    return ScriptDirectory.from_config(alembic_config())


def steps() -> tuple[Step, ...]:
    """Return the migrations, oldest first."""
    return declared([*script_directory().walk_revisions()][::-1])


def declared(scripts: Sequence[Script]) -> tuple[Step, ...]:
    """Read the declarations of migrations, oldest first."""
    found: list[Step] = []
    for script in scripts:
        retires, drops = (tuple(getattr(script.module, name, ())) for name in ("retires", "drops"))
        before = found[-1].oldest_code if found else script.revision
        retired_by = [each.revision for each in found if set(drops) & set(each.retires)]
        oldest = max([before, *retired_by])  # revisions are numbers of four digits
        found.append(Step(script.revision, script.doc, script.module.release, retires, drops, oldest))
    return tuple(found)


def order(release: str) -> tuple[int, ...]:
    """Return what releases are compared by."""
    return tuple(map(int, release.split(".")))
