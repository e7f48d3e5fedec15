"""The declaration of documents that are personal data, for export and erasure."""

from dataclasses import dataclass

from services.notifications.store.indexes import Collection


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The documents of one collection that are about the user in their field `userId`.

    `kind` names them in an export, which sorts by the field `time`. An erasure deletes the documents. With
    `emptied_field`, it keeps them and removes only that field. If they expire, an export skips those past `expiresAt`.
    """

    kind: str
    collection: Collection
    time: str
    emptied_field: str | None = None
    expires: bool = True
