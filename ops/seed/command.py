"""`trivet db seed` and `trivet db clear`."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.errors import CommandFailed
from ops.identity.database import once_there, url
from ops.output import note
from ops.schema import mongo, redis
from ops.schema.guard import confirm_deletion


def seed(users: int, number: int, *, sql_only: bool) -> None:
    """Make users with all that belongs to them, and say with which password they sign in."""
    from ops.seed.people import Seed, domain_of
    from ops.seed.seeding import PASSWORD, password_hash, seed_mongo, seed_sql

    address = url()
    once_there(lambda: _check_schema(address), address)
    of_mongo = None if sql_only else mongo.required_uri()
    if of_mongo is not None:
        mongo.with_mongo(lambda database: database.command("ping"), of_mongo)  # before half of it is done
    made = Seed.today(number, users, password_hash(number))
    with _progress("users, accounts, sessions, subscriptions", users) as advance:
        stored = once_there(lambda: seed_sql(address, made, advance), address)
    if of_mongo is not None:
        with _progress("notifications, logs", users) as advance:
            stored |= mongo.with_mongo(lambda database: seed_mongo(database, made, advance), of_mongo)
    print(f"seeded {', '.join(f'{count:,} {name}' for name, count in stored.items())}")
    print(f"all addresses end with @{domain_of(number)}; the password is {PASSWORD}")


def clear(*, yes: bool, sql_only: bool) -> None:
    """Delete the users that tests and seeds made."""
    from ops.seed import clearing

    address = url()
    once_there(lambda: _check_schema(address), address)
    of_mongo = None if sql_only else mongo.required_uri()
    count = once_there(lambda: clearing.count(address), address)
    if count == 0:
        print("there are no users of tests or seeds")
        return
    what = f"this deletes {count:,} users with addresses that RFC 2606 reserves, and all data about them"
    confirm_deletion(address, what, yes=yes)
    with _progress("users", count) as advance:
        if of_mongo is None:
            once_there(lambda: asyncio.run(clearing.clear(address, None, advance)), address)
        else:
            mongo.with_mongo(lambda database: clearing.clear(address, database, advance), of_mongo)
    forget_caches()
    print(f"deleted {count:,} users")


def forget_caches() -> None:
    """Make all that is cached a miss, so that no deleted session is served."""
    if (cache := redis.address()) is None:
        return
    from ops.backup.caches import begin_epoch

    if not begin_epoch(cache.url, cache.prefix):
        note("Redis does not answer: what it has cached of deleted users is served for up to 5 minutes")


def _check_schema(address: str) -> None:
    from services.identity.store.schema.migrate import status

    if status(address).pending:
        raise CommandFailed("migrations are missing: run `trivet db migrate` first")


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.update(task, advance=more)
