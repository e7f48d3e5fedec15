"""Has every scenario with the original and writes down what it answered: `python -m tests.differential.record`.

It needs Node, `npm ci` in tests/client and MariaDB.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import pymysql

from tests.api.auth.recordings import RECORDING
from tests.differential.registry import VARIANTS, of_variant
from tests.differential.servers import original
from tests.harness.stores.engines import mariadb


def recorded(variant: str, database_url: str) -> dict[str, list[dict[str, Any]]]:
    """Return the original's exchanges by scenario. The server's databases get another one, named for the variant."""
    parts = urlsplit(database_url)
    name = f"original_{variant}"
    with (
        pymysql.connect(
            host=str(parts.hostname),
            port=parts.port or 3306,
            user=str(parts.username),
            password=str(parts.password),
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    with original(variant, parts._replace(path=f"/{name}").geturl()) as server:
        return {scenario.name: scenario.had_with(server) for scenario in of_variant(variant)}


def main() -> None:
    found: dict[str, Any] = {}
    with mariadb() as engine:
        for variant in VARIANTS:
            found |= recorded(variant, engine.url)
    exchanges = sum(len(exchanges) for exchanges in found.values())
    RECORDING.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{exchanges} exchanges in {len(found)} scenarios of {len(VARIANTS)} variants: {RECORDING}")


if __name__ == "__main__":
    main()
