"""The commands that the service really sends, and what the engine says of how it answers them."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from services.notifications.store.mongo import Document, Store

READS = ("find", "aggregate")
# What the driver adds for itself, and explain does not take.
ENVELOPE = frozenset({"lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "maxTimeMS"})


class Recorder(CommandListener):
    """Keeps the reads that the driver sends, and the reading part of what changes one."""

    def __init__(self) -> None:
        self.commands: list[Document] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in READS:
            self.commands.append({key: value for key, value in event.command.items() if key not in ENVELOPE})
        elif event.command_name == "findAndModify":
            # What it changes it finds like this.
            told = event.command
            find = {"find": told["findAndModify"], "filter": told["query"], "sort": told["sort"], "limit": 1}
            self.commands.append(find)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@dataclass(frozen=True)
class Plan:
    """How an engine answers one command: its stages from the top, the index if any, and how much it looked at."""

    stages: tuple[str, ...]
    index: str | None
    examined: int


@asynccontextmanager
async def recorded_store(url: str, name: str) -> AsyncIterator[tuple[Store, Recorder]]:
    recorder = Recorder()
    client: AsyncMongoClient[Document] = AsyncMongoClient(url, tz_aware=True, event_listeners=[recorder])
    store = Store(client, name, timeout=10.0, connections=20)
    await store.prepare()
    try:
        yield store, recorder
    finally:
        await client.close()


async def explain(store: Store, command: Document) -> Plan:
    answer = await store.database.command("explain", command, verbosity="executionStats")
    # An aggregation that begins with a query holds the query's plan in its first stage.
    part = answer if "executionStats" in answer else answer["stages"][0]["$cursor"]
    winning = part["queryPlanner"]["winningPlan"]
    stages = list(_stages(winning.get("queryPlan", winning)))
    index = next((str(stage["indexName"]) for stage in stages if "indexName" in stage), None)
    examined = int(part["executionStats"]["totalDocsExamined"])
    return Plan(tuple(str(stage["stage"]) for stage in stages), index, examined)


def _stages(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield stage
    for inner in (stage.get("inputStage"), *stage.get("inputStages", ())):
        if inner is not None:
            yield from _stages(inner)


def keeps_order(index: Mapping[str, Any], command: Document) -> bool:
    """Whether a walk over the index alone meets what the command wants, in its order: equalities first, then the sort.

    This needs no planner: it is why MongoDB can do without a SORT stage.
    """
    wanted = command.get("filter") or command["pipeline"][0]["$match"]
    keys, sort = list(index["key"]), list(command.get("sort", {}).items())
    before = keys[: keys.index(sort[0])] if sort else keys[:1]
    return all(_is_points(wanted.get(field)) for field, _ in before) and keys[len(before) :][: len(sort)] == sort


def _is_points(clause: object) -> bool:
    return clause is not None and (not isinstance(clause, Mapping) or set(clause) == {"$in"})
