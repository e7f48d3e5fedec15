"""How each engine would go about a statement, in one form: the tables it touches, and the index it takes for each."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, UniqueConstraint, text

from services.identity.schema import metadata
from services.identity.store.database import Database
from services.identity.store.engine.engine import server_of
from tests.conformance.identity.statements import Sent


@dataclass(frozen=True)
class Access:
    """A table of ours that a statement reads, by which index (None: all of its rows), and how.

    `walks`: the index is gone through in its order, not entered at a value; good for a first page and nothing else.
    """

    table: str
    index: str | None
    walks: bool = False


@dataclass(frozen=True)
class Plan:
    """What a statement would do; `sorts` if its order comes from no index."""

    accesses: tuple[Access, ...]
    sorts: bool
    said: str


def names() -> dict[tuple[str, tuple[str, ...]], str]:
    """Return the names of all keys and indexes by table and columns: SQLite calls those of constraints otherwise."""
    found = {}
    for table in metadata.sorted_tables:
        parts = (*table.constraints, *table.indexes)
        for part in parts:
            if isinstance(part, PrimaryKeyConstraint | UniqueConstraint | Index):
                found[table.name, tuple(column.name for column in part.columns)] = str(part.name)
    return found


async def plan_of(database: Database, sent: Sent) -> Plan:
    """Have the engine explain a statement that was sent, with the parameters that it was sent with."""
    words = {
        "sqlite": "EXPLAIN QUERY PLAN ",
        "postgresql": "EXPLAIN (FORMAT JSON) ",
        "mysql": "EXPLAIN FORMAT=JSON ",
    }[database.kind]
    async with database.engine.connect() as connection:
        is_tidb = False
        if database.kind == "mysql":
            is_tidb = server_of(str((await connection.exec_driver_sql("SELECT VERSION()")).scalar())) == "tidb"
            words = "EXPLAIN FORMAT='tidb_json' " if is_tidb else words
            await _explain_as_before(connection)
        rows = (await connection.exec_driver_sql(words + sent.text, sent.parameters)).all()
        if database.kind == "sqlite":
            return await _of_sqlite(connection, [str(row.detail) for row in rows])
    content = rows[0][0] if isinstance(rows[0][0], list | dict) else json.loads(rows[0][0])
    read = _of_postgresql if database.kind == "postgresql" else _of_tidb if is_tidb else _of_mysql
    return Plan(*read(content), said=f"{sent.text}\n{json.dumps(content)}")


async def _explain_as_before(connection: Any) -> None:
    """Choose the first version of MySQL's JSON, which MariaDB writes as well; MySQL 9 writes the second by default."""
    name = "explain_json_format_version"
    if (await connection.exec_driver_sql(f"SHOW VARIABLES LIKE '{name}'")).first() is not None:
        await connection.exec_driver_sql(f"SET SESSION {name} = 1")


async def _of_sqlite(connection: Any, lines: Sequence[str]) -> Plan:
    accesses = []
    for line in lines:
        match = re.match(r"(?P<how>SCAN|SEARCH) (?P<table>\w+)(?: USING (?:COVERING )?INDEX (?P<index>\w+))?", line)
        if match is None:
            continue
        index = match["index"] or ("PRIMARY KEY" if "USING INTEGER PRIMARY KEY" in line else None)
        if index and index.startswith("sqlite_autoindex"):
            columns = (await connection.execute(text(f"PRAGMA index_info({index})"))).all()
            index = names()[match["table"], tuple(str(row[2]) for row in columns)]
        accesses.append(Access(match["table"], _named(match["table"], index), walks=match["how"] == "SCAN"))
    return Plan(tuple(accesses), any("TEMP B-TREE" in line for line in lines), "\n".join(lines))


def _of_postgresql(content: Any) -> tuple[tuple[Access, ...], bool]:
    nodes = list(_each(content, lambda node: "Node Type" in node))
    accesses = []
    for node in nodes:
        kind = str(node["Node Type"])
        if kind == "Seq Scan":
            accesses.append(Access(node["Relation Name"], None))
        elif kind in ("Index Scan", "Index Only Scan"):
            accesses.append(Access(node["Relation Name"], node["Index Name"], walks="Index Cond" not in node))
        elif kind == "Bitmap Index Scan":
            table = next(name for (name, _), index in names().items() if index == node["Index Name"])
            accesses.append(Access(table, node["Index Name"], walks="Index Cond" not in node))
    return tuple(accesses), any(node["Node Type"] == "Sort" for node in nodes)  # not the incremental one


def _of_mysql(content: Any) -> tuple[tuple[Access, ...], bool]:
    accesses = []
    # MySQL names the table that an INSERT fills, too.
    for node in _each(content, lambda node: "table_name" in node and not node.get("insert")):
        index, how = node.get("key"), node.get("access_type")
        accesses.append(Access(node["table_name"], _named(node["table_name"], index), walks=how in ("ALL", "index")))
    sorts = any(_each(content, lambda node: "filesort" in node or node.get("using_filesort") is True))
    return tuple(accesses), sorts


def _of_tidb(content: Any) -> tuple[tuple[Access, ...], bool]:
    nodes = list(_each(content, lambda node: "id" in node))
    accesses = []
    for node in nodes:
        operator, on = str(node["id"]), str(node.get("accessObject", ""))
        table = re.search(r"table:(\w+)", on)
        if table is None or "TableRowIDScan" in operator:  # the rows that an index has found
            continue
        index = re.search(r"index:(\w+)", on)
        clustered = "PRIMARY" if re.search("Point_Get|TableRangeScan", operator) else None
        name = _named(table[1], index[1] if index else clustered)
        accesses.append(Access(table[1], name, walks="FullScan" in operator))
    return tuple(accesses), any(re.match("Sort|TopN", str(node["id"]).strip("└─│ ")) for node in nodes)


def _named(table: str, index: str | None) -> str | None:
    return f"pk_{table}" if index in ("PRIMARY", "PRIMARY KEY") else index


def _each(content: Any, wanted: Callable[[dict[str, Any]], bool]) -> Iterator[dict[str, Any]]:
    """Yield the objects in a JSON value that are wanted, the outer ones first."""
    if isinstance(content, dict):
        if wanted(content):
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _each(part, wanted)
