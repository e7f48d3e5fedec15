"""Users of MongoDB: one for the notifications service, one for migrations, one for backups, each with a role."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ops.grants.grants import Choices, Grants, User
from ops.schema import mongo
from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema import history

ROLES = ("notifications", "migrator", "backup")
ACTIONS = ("find", "insert", "update", "remove")
"""What the service does with its collections. Inserting also makes a collection."""
MIGRATING = (*ACTIONS, "collMod", "createCollection", "createIndex", "dropIndex", "listCollections", "listIndexes")
READING = ("find", "collStats", "dbStats", "listCollections", "listIndexes")
OF_AUTHENTICATION = ("authSource", "authMechanism", "authMechanismProperties")
PROMPT = "passwordPrompt()"
Command = dict[str, Any]


def mongo_grants(uri: str, choices: Choices) -> Grants:
    """Return the commands for a database, as an administrator who is in its address sees it.

    Raises CommandFailed and WrongSettings.
    """
    name = mongo.database_of(uri)
    users_there, roles_there = mongo.with_mongo(lambda database: _existing(database, choices), uri)
    users = {role: choices.user(role, users_there) for role in ROLES}
    made = [command for user in users.values() for command in commands(name, user, has_role=user.name in roles_there)]

    async def run(database: Any) -> tuple[str, ...]:
        for command in made:
            await database.command(command)
        return ()

    shown = tuple(f"db.getSiblingDB({json.dumps(name)}).runCommand({_spelled(command)})" for command in made)
    addresses = {role: f"MONGODB_URI={_address(uri, name, user)}" for role, user in users.items()}
    return Grants("mongodb", shown, lambda: mongo.with_mongo(run, uri), addresses)


async def _existing(database: Any, choices: Choices) -> tuple[set[str], set[str]]:
    names = [choices.name_of(role) for role in ROLES]
    users = await database.command({"usersInfo": names})
    roles = await database.command({"rolesInfo": names})
    return {each["user"] for each in users["users"]}, {each["role"] for each in roles["roles"]}


def commands(database: str, user: User, *, has_role: bool) -> list[Command]:
    """Return the commands that make a user and the role of its name, or bring them to what they are now."""
    found = [
        {"resource": {"db": database, "collection": where}, "actions": list(actions)}
        for where, actions in _rights(user.role)
    ]
    command: Command = {"updateRole" if has_role else "createRole": user.name, "privileges": found, "roles": []}
    login: Command = {"updateUser" if user.is_there else "createUser": user.name}
    if user.password:
        login["pwd"] = user.password
    return [command, login | {"roles": [{"role": user.name, "db": database}]}]


def _rights(role: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return what a role can do by collection; an empty name is all of the database."""
    if role == "migrator":
        return [("", MIGRATING)]
    if role == "backup":
        return [("", READING)]
    return [*((each.name, ACTIONS) for each in COLLECTIONS), (history.NAME, ("find",))]


def _spelled(command: Mapping[str, Any]) -> str:
    """Return a command for mongosh, which asks for the password."""
    parts = [f"{key}: {PROMPT if key == 'pwd' else json.dumps(value)}" for key, value in command.items()]
    return "{" + ", ".join(parts) + "}"


def _address(uri: str, database: str, user: User) -> str:
    parts = urlsplit(uri)
    hosts = parts.netloc.rpartition("@")[2]
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in OF_AUTHENTICATION]
    query = urlencode([*kept, ("authSource", database)])
    password = quote(user.password, safe="") if user.is_made else user.shown
    return urlunsplit((parts.scheme, f"{user.name}:{password}@{hosts}", f"/{database}", query, ""))
