"""What `trivet import` reports: every row of the source once, and the same with and without --dry-run."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ops.identity.importing import better_auth
from runtime.ids import new_id
from services.identity.store.engine import store_url
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import NOW, SCRYPT, TABLES, Original, connected, database_beside

IMPORT = ("import", "better-auth", "--from")
CHANGED = re.compile(r" not null| primary key| unique|\{short\}")
LATER = datetime(2037, 1, 1, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
Report = dict[str, Any]


@pytest.fixture
def loose(server: str, folder: Path) -> Iterator[Original]:
    """An original without constraints, as a restored dump can be: any row can be there twice or belong to no user."""
    changes = {" not null": " null", "{short}": "text", " primary key": "", " unique": ""}
    tables = {name: CHANGED.sub(lambda match: changes[match[0]], columns) for name, columns in TABLES.items()}
    with database_beside(server, folder, f"loose_{new_id().lower()}") as url, connected(url) as connection:
        made = Original(url, store_url.parse(url).kind, connection)
        made.create(tables)
        yield made


def both(original: Original, trivet: Trivet) -> Report:
    """Run a dry run, then the import; return their report, which must be the same but for one word."""
    dry, done = trivet.run(*IMPORT, original.url, "--dry-run", "--json"), trivet.run(*IMPORT, original.url, "--json")
    assert json.loads(dry.replace('"would be imported"', '"imported"')) == json.loads(done)
    report: Report = json.loads(done)
    return report


def reasons(report: Report) -> dict[tuple[str, str], int]:
    return {(each["table"], each["reason"]): each["rows"] for each in report["reasons"]}


def fill(original: Original, pick: random.Random, run: int) -> None:
    """Add rows of all kinds of doubles; names come from small pools, so that rows of earlier runs are met too."""
    ids = [f"u{number}" for number in range(run * 8, run * 8 + 12)]
    owners = [*ids, "U1", "gone", "an id with spaces", None]
    emails = [f"{name}@x.io" for name in "abcdefghijklmnop"] + ["A@x.io", "B@X.io", "none", None]
    with original.at_once():
        for _ in range(12):
            original.add(
                "user",
                id=pick.choice([*ids, *ids, "U1", "an id with spaces", None]),
                email=pick.choice(emails),
                name=pick.choice(["Ada", None, "x" * 255]),
                emailVerified=False,
                banned=pick.random() < 0.1,
                createdAt=NOW + timedelta(days=pick.randrange(9)),
            )
        for number in range(25):
            provider = pick.choice(["credential", "github", "github", "github ", None])
            original.account(
                pick.choice(owners),  # type: ignore[arg-type]  # also what the original would not write
                pick.choice([SCRYPT, SCRYPT, "$2b$12$x", None]),
                id=pick.choice([f"a{run}-{number}", f"b{run}-{number}", "a", "not ours", None]),
                providerId=provider,
                accountId=pick.choice([*map(str, range(9)), "3 ", None]),
            )
            original.session(
                pick.choice(owners),  # type: ignore[arg-type]  # also what the original would not write
                pick.choice([f"t{run}-{number}", f"u{run}-{number}", "t", None]),  # type: ignore[arg-type]  # also what the original would not write
                id=pick.choice([f"s{run}-{number}", f"r{run}-{number}", "s", "not ours", None]),
                expiresAt=pick.choice([PAST, LATER, LATER]),
            )


@pytest.mark.parametrize("seed", range(2))
def test_a_dry_run_reports_what_the_import_then_does_and_every_row_is_counted_once(
    loose: Original, trivet: Trivet, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(better_auth, "PAGE", 3)
    monkeypatch.setattr(better_auth, "OWNED_PAGE", 4)
    pick = random.Random(seed)  # makes test data
    kept: Counter[str] = Counter()
    for run in range(3):
        fill(loose, pick, run)
        report = both(loose, trivet)
        rows = {f"{name}s": len(loose.rows(name)) for name in TABLES}
        assert {of: sum(counted.values()) for of, counted in report["counts"].items()} == rows
        kept += Counter({of: counted.get("imported", 0) for of, counted in report["counts"].items()})
        assert {of: len(trivet.rows(of)) for of in rows} == {of: kept[of] for of in rows}
        told: Counter[str] = Counter()
        for (of, _), number in reasons(report).items():
            told[of] += number
        assert all(told[of] >= counted.get("skipped", 0) for of, counted in report["counts"].items())
    assert min(kept.values()) > 1, "the sources hold rows that can be imported"


def test_doubles_and_rows_without_a_user_are_named_with_their_ids(loose: Original, trivet: Trivet) -> None:
    ada, bob = loose.user("ada@x.io", id="1"), loose.user("bob@x.io", id="2")
    left = loose.user("no address", id="3")
    loose.user("eve@x.io", id="2")
    for owner in (ada, bob):
        loose.account(owner, None, id=f"a{owner}", providerId="github", accountId="4242")
        loose.session(owner, "one token", id=f"s{owner}")
    loose.account(left, id="a3")
    loose.session(left, "three", id="s3")
    loose.account("gone", id="a4")
    loose.session("gone", "four", id="s4")
    loose.session(ada, "", id="s5")
    report = both(loose, trivet)
    assert report["counts"] == {
        "users": {"imported": 2, "skipped": 2},
        "accounts": {"imported": 1, "skipped": 3},
        "sessions": {"imported": 1, "skipped": 4},
    }
    assert {(each["table"], each["reason"], *each["examples"]) for each in report["reasons"]} == {
        ("users", "another row of the source has the same id", "2"),
        ("users", "there is no email address, or it is none", "3"),
        ("accounts", "another row of the source has the same account at the provider", "a2"),
        ("accounts", "its user is left out", "a3"),
        ("accounts", "there is no such user in the source", "a4"),
        ("sessions", "another row of the source has the same token", "s2"),
        ("sessions", "its user is left out", "s3"),
        ("sessions", "there is no such user in the source", "s4"),
        ("sessions", "it has no token", "s5"),
    }


def test_what_a_row_loses_on_the_way_has_a_line_in_the_report(loose: Original, trivet: Trivet) -> None:
    ada = loose.user("ada@x.io", name=None, banned=False)
    bob = loose.user("bob@x.io", name="x" * 300, createdAt=None)
    loose.account(ada, None)
    loose.account(bob, None, providerId="github", accountId="1", scope="s" * 5_000)
    loose.session(bob, "token", userAgent="one\ntwo", ipAddress="9" * 65)
    report = both(loose, trivet)
    assert report["counts"] == {
        "users": {"imported": 2},
        "accounts": {"imported": 1, "skipped": 1},
        "sessions": {"imported": 1},
    }
    assert reasons(report) == {
        ("users", "there is no name: it is empty here"): 1,
        ("users", "the name is longer than 255 characters: it is cut"): 1,
        ("users", "there is no time of creation: the time of the import stands for it"): 1,
        ("accounts", "it has no password hash: the user sets a password by a reset"): 1,
        ("accounts", "the scope is longer than 4,096 characters: it is cut"): 1,
        ("sessions", "control characters of the user agent are removed"): 1,
        ("sessions", "the address is longer than 64 characters: it is cut"): 1,
    }
    assert {row["name"] for row in trivet.rows("users")} == {"", "x" * 255}


def test_a_plain_table_with_one_address_twice_is_reported_whole_and_the_older_row_is_taken(
    loose: Original, trivet: Trivet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ids rows with the same address stand on one page, however small pages are."""
    monkeypatch.setattr("ops.identity.importing.plain.PAGE", 2)
    loose.connection.execute(text("CREATE TABLE people (email varchar(99), name varchar(99), created_at varchar(40))"))
    for email, year in (("a@x.io", 2023), ("b@x.io", 2024), ("b@x.io", 2021), ("b@x.io", 2022), ("c@x.io", 2020)):
        row = {"email": email, "name": str(year), "created": f"{year}-01-01"}
        loose.connection.execute(text("INSERT INTO people VALUES (:email, :name, :created)"), row)
    loose.connection.commit()
    arguments = ("import", "plain", "--from", loose.url, "--table", "people", "--json")
    dry = trivet.run(*arguments, "--dry-run").replace('"would be imported"', '"imported"')
    report = json.loads(trivet.run(*arguments))
    assert json.loads(dry) == report
    assert report["counts"] == {"users": {"imported": 3, "skipped": 2}}
    assert reasons(report)["users", "another row of the source has the same address"] == 2
    assert {row["name"] for row in trivet.rows("users")} == {"2023", "2021", "2020"}


def test_an_import_is_audited_with_its_rows_and_a_dry_run_is_not(loose: Original, trivet: Trivet) -> None:
    loose.account(loose.user("ada@x.io"))
    trivet.run(*IMPORT, loose.url, "--dry-run")
    assert trivet.rows("outbox") == []
    trivet.run(*IMPORT, loose.url)
    trivet.run(*IMPORT, loose.url)
    (event,) = [json.loads(row["payload"]) for row in trivet.rows("outbox")]
    said = "users.imported", "service:ops", "1 users, 1 accounts, 0 sessions"
    assert (event["happened"], event["actor"], event["detail"]) == said
