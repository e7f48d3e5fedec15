"""`trivet users`: manage users.

Imports of database code are inside the functions that use it, so that the other subcommands start three times faster.
"""

import re
import sys
from datetime import UTC, datetime, timedelta
from enum import Enum
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import CommandFailed, WrongSettings
from ops.output import as_json, moment, note, plain, table

if TYPE_CHECKING:
    from services.identity.users.administration import UserChange
    from services.identity.users.users import User

app = typer.Typer(help="Manage users.", no_args_is_help=True, rich_markup_mode=None)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SOON = "running gateways stop accepting the sessions within 2 s, or within 30 s if they cannot reach the cache"
MAX_SESSIONS = 1_000

Who = Annotated[str, typer.Argument(metavar="EMAIL|ID", help="The user's email address or id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class RoleName(Enum):
    USER = "user"
    ADMIN = "admin"


class Sorting(Enum):
    NEWEST = "newest"
    OLDEST = "oldest"
    EMAIL = "email"
    NAME = "name"


@app.command(name="list")
def list_users(
    query: Annotated[str, typer.Argument(help="Only users whose email address or name begins so.")] = "",
    role: Annotated[RoleName | None, typer.Option(help="Only users with this role.")] = None,
    banned: Annotated[
        bool | None, typer.Option("--banned/--not-banned", help="Only banned users, or only others.")
    ] = None,
    verified: Annotated[
        bool | None, typer.Option("--verified/--unverified", help="Only users whose email is verified, or only others.")
    ] = None,
    sort: Annotated[Sorting, typer.Option(help="The sort order.")] = Sorting.NEWEST,
    page_size: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="The number of users on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="The page number, from 1.")] = 1,
    json: AsJson = False,
) -> None:
    """List users and print their total number."""
    from ops.identity.identity_access import IdentityAccess, with_identity
    from services.identity.users.users import Order, Role, UserFilter

    wanted = UserFilter("", Role(role.value) if role else None, banned, verified, query.replace("\0", ""))

    async def work(identity: IdentityAccess) -> "tuple[list[User], int]":
        found = await identity.users.list(wanted, Order[sort.name], page_size, offset=(page - 1) * page_size)
        return found, await identity.users.count(wanted)

    found, total = with_identity(work)
    if json:
        as_json({"users": [_user(user) for user in found], "total": total})
        return
    rows = [(user.id, user.email, user.name, user.role.value, _ban(user), moment(user.created_at)) for user in found]
    table(("ID", "EMAIL", "NAME", "ROLE", "BANNED", "CREATED (UTC)"), rows)
    note(f"{len(found)} of {total}")


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="The email address to sign in with.")],
    name: Annotated[
        str, typer.Option(help="The user's name. Defaults to the part of the email address before the @.")
    ] = "",
    admin: Annotated[bool, typer.Option("--admin", help="Make the user an administrator.")] = False,
    verified: Annotated[bool, typer.Option("--verified", help="Mark the email as verified.")] = False,
    json: AsJson = False,
) -> None:
    """Create a user. Asks for the password, or reads it from standard input."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity
    from services.identity.passwords.hashing import Hasher
    from services.identity.passwords.policy import new_password
    from services.identity.users.users import Role

    shown = plain(name or email.partition("@")[0])[:255]
    secret = _password()

    async def work(identity: IdentityAccess) -> "User":
        with Hasher() as hasher:
            password_hash = await hasher.hash(new_password(secret, refuse_common=True))
        role = Role.ADMIN if admin else Role.USER
        return await identity.administration.create(
            email, shown, password_hash, role=role, email_verified=verified, actor=ACTOR
        )

    user = with_identity(work)
    if json:
        as_json(_user(user))
    else:
        print(f"{user.email} is {'an administrator' if admin else 'a user'} with the id {user.id}")


@app.command()
def promote(email: Who) -> None:
    """Make a user an administrator. The user may have to sign in again."""
    _set_role(email, RoleName.ADMIN, "sign up first, then promote")
    print(f"{email} is an administrator")


@app.command()
def demote(email: Who) -> None:
    """Remove the administrator role from a user. Fails for the last administrator."""
    _set_role(email, RoleName.USER, "list all users with `trivet users list`")
    print(f"{email} is not an administrator")


@app.command()
def ban(
    who: Who,
    reason: Annotated[str, typer.Option(help="The reason, for other operators.")] = "",
    length: Annotated[str, typer.Option("--for", metavar="30m|12h|7d|2w", help="The duration. Default: forever.")] = "",
) -> None:
    """Ban a user and end the user's sessions."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    until = datetime.now(UTC) + _length(length) if length else None

    async def work(identity: IdentityAccess) -> "UserChange":
        user = await identity.user(who)
        return await identity.administration.ban(user.id, reason, until, actor=ACTOR)

    done = with_identity(work)
    how_long = f"until {moment(until)} UTC" if until else "forever"
    print(f"{done.user.email} is banned {how_long}; sessions ended: {done.sessions_ended}")
    note(SOON)


@app.command()
def unban(who: Who) -> None:
    """Lift the ban of a user."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    async def work(identity: IdentityAccess) -> "UserChange":
        return await identity.administration.unban((await identity.user(who)).id, actor=ACTOR)

    print(f"{with_identity(work).user.email} can sign in")


@app.command()
def sessions(who: Who, json: AsJson = False) -> None:
    """List a user's active sessions, newest first."""
    from ops.identity.identity_access import IdentityAccess, with_identity
    from services.identity.sessions.session import Session

    async def work(identity: IdentityAccess) -> list[Session]:
        return await identity.sessions.list((await identity.user(who)).id, MAX_SESSIONS)

    found = with_identity(work)
    if json:
        names = ("id", "user_id", "created_at", "updated_at", "expires_at", "ip_address", "user_agent")
        as_json([{name: getattr(each, name) for name in names} for each in found])
        return
    rows = [(e.id, moment(e.created_at), moment(e.expires_at), e.ip_address or "-", e.user_agent) for e in found]
    table(("ID", "SIGNED IN (UTC)", "ENDS (UTC)", "ADDRESS", "BROWSER"), rows)


@app.command()
def revoke(
    who: Who, session: Annotated[str, typer.Option(metavar="ID", help="End only the session with this id.")] = ""
) -> None:
    """End all sessions of a user, or one."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    async def work(identity: IdentityAccess) -> int:
        user = await identity.user(who)
        if not session:
            return (await identity.administration.end_sessions(user.id, actor=ACTOR)).sessions_ended
        known = session.isascii() and "\0" not in session
        done = await identity.administration.end_session(user.id, session, actor=ACTOR) if known else None
        if done is None or not done.sessions_ended:
            raise CommandFailed(f"{who} has no session {plain(session)}: list them with `trivet users sessions {who}`")
        return done.sessions_ended

    print(f"sessions ended: {with_identity(work)}")
    note(SOON)


@app.command()
def export(
    who: Who,
    sql_only: Annotated[bool, typer.Option("--sql-only", help="Leave out the notifications service's data.")] = False,
) -> None:
    """Export all data about a user as JSON, without credentials. Exit status 1 if a part is missing."""
    from ops.identity.exporting.user_data import UserDataSettings, user_data
    from ops.identity.identity_access import IdentityAccess, with_identity
    from ops.settings_reader import read_settings

    settings = read_settings(UserDataSettings)

    async def work(identity: IdentityAccess) -> tuple[dict[str, Any], str]:
        return await user_data(identity, who, settings, sql_only=sql_only)

    data, missing = with_identity(work)
    as_json({"exported_at": datetime.now(UTC)} | data)
    if data["waiting"]:
        note(f"{len(data['waiting'])} mails and audit events wait for delivery to the notifications service (waiting)")
    if missing:
        raise CommandFailed(f"the export is incomplete: {missing}; check that the stack runs, or use --sql-only")


def _set_role(who: str, role: RoleName, hint: str) -> "UserChange":
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity
    from services.identity.users.users import Role

    async def work(identity: IdentityAccess) -> "UserChange":
        user = await identity.user(who, hint)
        return await identity.administration.set_role(user.id, Role(role.value), actor=ACTOR)

    return with_identity(work)


def _length(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,4})([smhdw])", text)
    if match is None:
        raise WrongSettings("--for takes a number and a unit, for example 30m, 12h, 7d or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _password() -> str:
    """Return the password that was typed or piped in. It is no argument: all users of the machine can read those."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if first != getpass("Again: "):
        raise CommandFailed("the two passwords differ")
    return first


def _ban(user: "User") -> str:
    if not user.is_banned_at(datetime.now(UTC)):
        return "-"
    return f"until {moment(user.ban_expires)}" if user.ban_expires else "forever"


def _user(user: "User") -> dict[str, Any]:
    names = ("id", "email", "name", "email_verified", "banned", "ban_reason", "ban_expires", "created_at", "updated_at")
    return {name: getattr(user, name) for name in names} | {"role": user.role.value}
