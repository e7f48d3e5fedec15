"""What a migration changes, and the schema that migrations lead to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel

from services.notifications.store.indexes import Collection

Validator = Mapping[str, Any]
"""A JSON schema of MongoDB's kind; empty for none."""


@dataclass(frozen=True, slots=True)
class AddIndex:
    """Builds an index. Reads and writes of the collection go on meanwhile."""

    collection: str
    index: IndexModel

    def inverse(self) -> "DropIndex":
        return DropIndex(self.collection, self.index)


@dataclass(frozen=True, slots=True)
class DropIndex:
    """Drops an index; `index` is what its rollback builds again."""

    collection: str
    index: IndexModel

    def inverse(self) -> AddIndex:
        return AddIndex(self.collection, self.index)


@dataclass(frozen=True, slots=True)
class SetValidator:
    """Sets the validator of a collection. Documents that are there need not pass it until they are replaced."""

    collection: str
    validator: Validator
    before: Validator

    def inverse(self) -> "SetValidator":
        return SetValidator(self.collection, self.before, self.validator)


Change = AddIndex | DropIndex | SetValidator


@dataclass(frozen=True)
class Migration:
    """A numbered list of changes. Its rollback is their inverses, last to first. `release` is the first that has it.

    `needs` is the oldest migration that code must know to write documents that pass the validators: 0 for all code.
    """

    number: int
    name: str
    release: str
    changes: tuple[Change, ...]
    needs: int = 0

    @property
    def inverse(self) -> tuple[Change, ...]:
        return tuple(change.inverse() for change in reversed(self.changes))


@dataclass
class Schema:
    """The indexes of collections by name, and their validators."""

    indexes: dict[str, dict[str, IndexModel]]
    validators: dict[str, Validator]

    @classmethod
    def declared(cls, collections: Iterable[Collection]) -> "Schema":
        """Return the schema that the code declares."""
        every = list(collections)
        return cls(
            {each.name: {name_of(index): index for index in each.indexes} for each in every},
            {each.name: each.validator for each in every if each.validator},
        )

    @classmethod
    def after(cls, migrations: Iterable[Migration]) -> "Schema":
        """Return the schema that migrations lead to."""
        schema = cls({}, {})
        for migration in migrations:
            for change in migration.changes:
                schema.apply(change)
        return schema

    def apply(self, change: Change) -> None:
        """Make a change."""
        indexes = self.indexes.setdefault(change.collection, {})
        match change:
            case AddIndex(_, index):
                indexes[name_of(index)] = index
            case DropIndex(_, index):
                indexes.pop(name_of(index), None)
            case SetValidator(name, validator, _):
                if validator:
                    self.validators[name] = validator
                else:
                    self.validators.pop(name, None)


def changes_between(before: Schema, after: Schema) -> tuple[Change, ...]:
    """Return the changes that lead from one schema to another: indexes are added first and dropped last."""
    added: list[Change] = []
    dropped: list[Change] = []
    for name in sorted(before.indexes.keys() | after.indexes.keys()):
        old, new = before.indexes.get(name, {}), after.indexes.get(name, {})
        for key in sorted(old.keys() | new.keys()):
            if key in old and key in new and same(old[key], new[key]):
                continue
            if key in old:  # a changed index has a name in use: it is dropped before it is built
                (added if key in new else dropped).append(DropIndex(name, old[key]))
            if key in new:
                added.append(AddIndex(name, new[key]))
    for name in sorted(before.validators.keys() | after.validators.keys()):
        old_rules, new_rules = before.validators.get(name, {}), after.validators.get(name, {})
        if old_rules != new_rules:
            added.append(SetValidator(name, new_rules, old_rules))
    return (*added, *dropped)


def name_of(index: IndexModel) -> str:
    """Return an index's name."""
    return str(index.document["name"])


def same(one: IndexModel, other: IndexModel) -> bool:
    """Whether two indexes are built alike."""
    return _spelled(one) == _spelled(other)


def _spelled(index: IndexModel) -> dict[str, Any]:
    return {**index.document, "key": list(dict(index.document["key"]).items())}
