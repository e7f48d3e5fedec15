"""How a domain declares which documents are personal data, for export and erasure."""

from dataclasses import dataclass

from services.notifications.store.indexes import Collection


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The documents of one collection that are about the user in their field `userId`.

    `time` is the field that an export sorts by. An erasure deletes the documents; with `emptied_field` it keeps them
    and removes that field alone. Documents that expire are not exported after `expiresAt`.
    """

    kind: str
    collection: Collection
    time: str
    emptied_field: str | None = None
    expires: bool = True
