"""`trivet outbox`: notes that identity could not deliver to the other services yet.

What works on the database is imported where it is used: the other subcommands start in a third of the time without.
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import CommandFailed, WrongSettings
from ops.output import as_json, moment, note, table

if TYPE_CHECKING:
    from services.identity.outbox.backlog import Choice, Waiting

app = typer.Typer(
    help="Look after the outbox: mails, audit events, erasures and invalidations on their way to other services.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
SOON = "a running stack sends them within a second or two"

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="The notes, by the ids that `list` shows.")]
All = Annotated[bool, typer.Option("--all", help="All of them, in place of ids.")]
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Only notes of this topic, for example mail.send.")]


@app.command(name="list")
def list_notes(
    topic: Topic = "",
    parked: Annotated[bool, typer.Option("--parked", help="Only notes that are not sent again.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")] = False,
) -> None:
    """List notes that wait, oldest first: how old they are, why they were refused, when they are sent again."""
    from ops.identity.identity_access import IdentityAccess, with_identity
    from services.identity.outbox.backlog import Choice

    async def work(identity: IdentityAccess) -> "tuple[list[Waiting], dict[str, int]]":
        return await identity.backlog.list(
            Choice(topic=topic), limit, only_parked=parked
        ), await identity.backlog.counts()

    found, counts = with_identity(work)
    if json:
        as_json({"notes": [asdict(each) for each in found], "parked": counts})
        return
    now = datetime.now(UTC)
    rows = [
        (str(e.id), e.topic, e.key, _age(now, e.created_at), str(e.attempts), _next(e), e.cause or "-") for e in found
    ]
    table(("ID", "TOPIC", "KEY", "AGE", "REFUSED", "NEXT ATTEMPT (UTC)", "CAUSE"), rows)
    note(f"parked: {', '.join(f'{count} of {name}' for name, count in sorted(counts.items())) or 'none'}")


@app.command()
def retry(ids: Ids = None, everything: All = False, topic: Topic = "") -> None:
    """Send notes again now that were refused, parked ones too; they have all their attempts again."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    chosen = _chosen(ids, everything, topic)

    async def work(identity: IdentityAccess) -> int:
        return await identity.backlog.retry(chosen, identity.audit, actor=ACTOR)

    print(f"notes sent again: {_as_named(with_identity(work), ids, 'was refused')}")
    note(SOON)


@app.command()
def drop(
    ids: Ids = None,
    everything: All = False,
    topic: Topic = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete parked notes: a mail is never sent, an event never audited, a deleted user's data never erased."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    chosen = _chosen(ids, everything, topic)
    if not yes:
        _ask()

    async def work(identity: IdentityAccess) -> int:
        return await identity.backlog.drop(chosen, identity.audit, actor=ACTOR)

    print(f"notes dropped: {_as_named(with_identity(work), ids, 'is parked')}")


def _chosen(ids: Iterable[int] | None, everything: bool, topic: str) -> "Choice":
    from services.identity.outbox.backlog import Choice

    named = tuple(dict.fromkeys(ids or ()))
    if bool(named) == everything:
        raise WrongSettings("name the notes by their ids, or say --all")
    return Choice(named, topic)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise WrongSettings("this deletes notes that were never delivered: say --yes")
    typer.confirm("What these notes tell is never delivered. Delete them?", abort=True)


def _as_named(done: int, ids: Iterable[int] | None, condition: str) -> int:
    """Return how many notes a command changed. Raises CommandFailed if that is not all that were named."""
    named = len(set(ids or ()))
    if done < named:
        raise CommandFailed(f"{done} of {named} notes: none of the others {condition}, look with `trivet outbox list`")
    return done


def _age(now: datetime, since: datetime) -> str:
    seconds = max(int((now - since).total_seconds()), 0)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    return f"{days}d {hours}h" if days else f"{hours}h {minutes}m" if hours else f"{minutes}m {seconds % 60}s"


def _next(each: "Waiting") -> str:
    if each.is_parked:
        return "parked"
    return moment(each.next_attempt_at) if each.attempts else "now"
