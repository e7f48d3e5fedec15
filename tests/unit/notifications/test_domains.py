"""The domains are whole: a collection that `services/notifications/domains.py` does not list gets no indexes."""

from importlib import import_module
from pathlib import Path

from services.notifications import domains
from services.notifications.store import tombstones
from services.notifications.store.indexes import Collection

FOLDER = Path(domains.__file__).parent
MODULES = [
    *(
        import_module(f"services.notifications.{path.parent.name}.collections")
        for path in FOLDER.glob("*/collections.py")
    ),
    tombstones,
]
DECLARED = {value.name: value for module in MODULES for value in vars(module).values() if isinstance(value, Collection)}


def test_every_collection_is_listed() -> None:
    assert {each.name for each in domains.COLLECTIONS} == DECLARED.keys(), "list it in COLLECTIONS of its domain"


def test_every_collection_about_users_says_how_to_export_and_erase_it() -> None:
    about_users = {
        name
        for name, collection in DECLARED.items()
        if any("userId" in index.document["key"] for index in collection.indexes)
    }
    told = {each.collection.name for each in domains.PERSONAL_DATA}
    assert about_users - told == set(), "name it in PERSONAL_DATA of its domain"
    assert about_users
