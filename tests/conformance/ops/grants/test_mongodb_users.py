"""MongoDB's users can do what their process needs, and nothing else: by trying, on a server that asks for passwords."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops.grants.grants import Choices, Grants, User
from ops.grants.mongodb import ROLES, commands, mongo_grants
from ops.schema.mongo import with_mongo
from runtime.ids import new_id
from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema.migrate import downgrade, upgrade

NOT_AUTHORIZED = 13
Try = Callable[[Database[Any]], object]
CHANGES: dict[str, Try] = {
    "drop a collection": lambda database: database["logs"].drop(),
    "drop the database": lambda database: database.client.drop_database(database.name),
    "create an index": lambda database: database["logs"].create_index("x"),
    "drop indexes": lambda database: database["logs"].drop_indexes(),
    "rename a collection": lambda database: database["logs"].rename("x"),
    "change a validator": lambda database: database.command("collMod", "logs", validator={}),
    "create a collection": lambda database: database.create_collection("x"),
    "write the history": lambda database: database["schema_history"].delete_many({}),
}
OF_SERVER: dict[str, Try] = {
    "read another database": lambda database: database.client["beside"]["secrets"].find_one(),
    "write another database": lambda database: database.client["beside"]["secrets"].insert_one({}),
    "create a user": lambda database: database.command({"createUser": "x", "pwd": "y" * 16, "roles": []}),
    "see users": lambda database: database.command({"usersInfo": 1}),
    "give itself a role": lambda database: database.command({"createRole": "x", "privileges": [], "roles": ["root"]}),
}
WRITES: dict[str, Try] = {
    "insert": lambda database: database["logs"].insert_one({}),
    "update": lambda database: database["logs"].update_one({}, {"$set": {"x": 1}}),
    "delete": lambda database: database["logs"].delete_one({}),
}
DROPS = {name: CHANGES[name] for name in ("drop a collection", "drop the database", "rename a collection")}
BY_DATABASE = {"write the history"}
"""SecantusDB gives a right on a collection for all of its database; MongoDB does not."""
FORBIDDEN = {
    "notifications": CHANGES | OF_SERVER,
    "migrator": DROPS | OF_SERVER,
    "backup": CHANGES | WRITES | OF_SERVER,
}


@dataclass
class Server:
    """A database of a test's own."""

    admin: str
    prefix: str

    def found(self, **choices: Any) -> Grants:
        return mongo_grants(self.admin, Choices(self.prefix, **choices))

    def make(self, **choices: Any) -> dict[str, str]:
        found = self.found(**choices)
        found.apply()
        return {role: address.partition("=")[2] for role, address in found.addresses.items()}


@pytest.fixture
def server(mongodb_with_users: str) -> Iterator[Server]:
    name = f"grants_{new_id().lower().replace('-', '')}"
    address, _, query = mongodb_with_users.partition("?")
    yield (made := Server(f"{address.rstrip('/')}/{name}?authSource=admin&{query}".rstrip("&"), f"t{name[-8:]}"))
    with MongoClient[Any](made.admin) as client:
        for role in ROLES:
            client[name].command({"dropUser": f"{made.prefix}_{role}"})
            client[name].command({"dropRole": f"{made.prefix}_{role}"})
        client.drop_database(name)


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_user_is_denied_what_its_process_does_not_do(server: Server, role: str) -> None:
    users = server.make()
    with_mongo(upgrade, users["migrator"])
    with MongoClient[Any](users[role]) as client:
        found = {name: _code(attempt, client.get_default_database()) for name, attempt in FORBIDDEN[role].items()}
        is_mongodb = "secantusVersion" not in client.admin.command("buildInfo")
    expected = set() if is_mongodb or role != "notifications" else BY_DATABASE
    assert {name for name, code in found.items() if code != NOT_AUTHORIZED} == expected


def test_the_service_has_rights_on_its_collections_alone() -> None:
    """What SecantusDB does not tell apart."""
    role, _ = commands("trivet", User("notifications", "n", password="p"), has_role=False)
    rights = {each["resource"]["collection"]: set(each["actions"]) for each in role["privileges"]}
    assert rights == {
        **{each.name: {"find", "insert", "update", "remove"} for each in COLLECTIONS},
        "schema_history": {"find"},
    }
    assert {each["resource"]["db"] for each in role["privileges"]} == {"trivet"}


def _code(attempt: Try, database: Database[Any]) -> int | None:
    try:
        attempt(database)
    except OperationFailure as error:
        return error.code
    return None


def test_the_service_writes_its_collections_and_the_backup_reads_them(server: Server) -> None:
    users = server.make()
    with_mongo(upgrade, users["migrator"])
    with MongoClient[Any](users["notifications"]) as client, MongoClient[Any](users["backup"]) as reader:
        for each in COLLECTIONS:
            rows = client.get_default_database()[each.name]
            rows.insert_one({"_id": "a"}, bypass_document_validation=False) if not each.validator else None
            rows.update_many({"_id": "a"}, {"$set": {"x": 1}})
            assert reader.get_default_database()[each.name].count_documents({}) >= 0
            rows.delete_many({})
        assert "logs" in reader.get_default_database().list_collection_names()


def test_the_migrator_rolls_back_and_migrates_again(server: Server) -> None:
    users = server.make()
    with_mongo(upgrade, users["migrator"])
    with_mongo(downgrade, users["migrator"])
    assert len(with_mongo(upgrade, users["migrator"]).pending) == 1


def test_the_commands_for_mongosh_ask_for_passwords(server: Server) -> None:
    chosen = "a-chosen.pass_word"
    lines = server.found(passwords=dict.fromkeys(ROLES, chosen)).statements
    assert len(lines) == 2 * len(ROLES)
    assert all(line.startswith('db.getSiblingDB("grants_') for line in lines)
    assert sum("pwd: passwordPrompt()" in line for line in lines) == len(ROLES)
    assert chosen not in str(lines)
    server.make()


def test_it_can_be_repeated_and_keeps_passwords_until_new_ones_are_asked_for(server: Server) -> None:
    users = server.make()
    assert ":***@" in server.make()["notifications"]
    with MongoClient[Any](users["notifications"]) as client:
        client.get_default_database()["logs"].find_one()
    renewed = server.make(renews=True)
    with MongoClient[Any](renewed["notifications"]) as client:
        client.get_default_database()["logs"].find_one()
    with MongoClient[Any](users["notifications"]) as client, pytest.raises(OperationFailure):
        client.get_default_database()["logs"].find_one()
