"""`trivet outbox`: messages that identity has not delivered to other services yet.

Imports of database code are inside the functions that use it, so that the other subcommands start three times faster.
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
    from services.identity.outbox.backlog import BacklogEntry, MessageFilter

app = typer.Typer(
    help="Manage the outbox: messages (mails, audit events, erasures, invalidations) to other services.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
SOON = "a running stack sends them within 2 s"

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Message ids, as `list` prints them.")]
All = Annotated[bool, typer.Option("--all", help="All messages, instead of ids.")]
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Only messages of this topic, for example mail.send.")]


@app.command(name="list")
def list_notes(
    topic: Topic = "",
    parked: Annotated[bool, typer.Option("--parked", help="Only parked messages: all their attempts failed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The largest number of messages.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the messages in the outbox, oldest first: age, failed attempts, the cause and the next attempt."""
    from ops.identity.identity_access import IdentityAccess, with_identity
    from services.identity.outbox.backlog import MessageFilter

    async def work(identity: IdentityAccess) -> "tuple[list[BacklogEntry], dict[str, int]]":
        return await identity.backlog.list(
            MessageFilter(topic=topic), limit, only_parked=parked
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
    """Retry rejected messages now, also parked ones. Their attempts are counted from zero again."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    chosen = _chosen(ids, everything, topic)

    async def work(identity: IdentityAccess) -> int:
        return await identity.backlog.retry(chosen, identity.audit, actor=ACTOR)

    print(f"messages sent again: {_as_named(with_identity(work), ids, 'was rejected')}")
    note(SOON)


@app.command()
def drop(
    ids: Ids = None,
    everything: All = False,
    topic: Topic = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete parked messages. Their mails are never sent, their audit events and erasures are lost."""
    from ops.identity.identity_access import ACTOR, IdentityAccess, with_identity

    chosen = _chosen(ids, everything, topic)
    if not yes:
        _ask()

    async def work(identity: IdentityAccess) -> int:
        return await identity.backlog.drop(chosen, identity.audit, actor=ACTOR)

    print(f"messages dropped: {_as_named(with_identity(work), ids, 'is parked')}")


def _chosen(ids: Iterable[int] | None, everything: bool, topic: str) -> "MessageFilter":
    from services.identity.outbox.backlog import MessageFilter

    named = tuple(dict.fromkeys(ids or ()))
    if bool(named) == everything:
        raise WrongSettings("give either message ids or --all")
    return MessageFilter(named, topic)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise WrongSettings("this deletes messages that were never delivered: confirm with --yes")
    typer.confirm("These messages will never be delivered. Delete them?", abort=True)


def _as_named(done: int, ids: Iterable[int] | None, condition: str) -> int:
    """Return how many messages a command changed. Raises CommandFailed if some of `ids` were not changed."""
    named = len(set(ids or ()))
    if done < named:
        raise CommandFailed(
            f"{done} of {named} messages: none of the others {condition}, list them with `trivet outbox list`"
        )
    return done


def _age(now: datetime, since: datetime) -> str:
    seconds = max(int((now - since).total_seconds()), 0)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    return f"{days}d {hours}h" if days else f"{hours}h {minutes}m" if hours else f"{minutes}m {seconds % 60}s"


def _next(each: "BacklogEntry") -> str:
    if each.is_parked:
        return "parked"
    return moment(each.next_attempt_at) if each.attempts else "now"
