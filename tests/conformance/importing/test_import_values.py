"""What real databases hold in columns of flags and times, on each engine, there and back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ops.errors import CommandFailed
from ops.identity.importing.source.values import flag
from services.identity import schema
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import SCRYPT, Original, connected

IMPORT = ("import", "better-auth", "--from")
EXPORT = ("export", "better-auth", "--to")
FEBRUARY = datetime(2024, 2, 3, tzinfo=UTC)
OCTOBER = datetime(2024, 10, 1, tzinfo=UTC)
NO_TIME = "the column {} holds no time in the years 1 to 9999"


def retype(original: Original, table: str, column: str, kind: str) -> None:
    """Give a column of an empty table another type; SQLite takes anything as it is."""
    if original.kind == "mysql":
        original.connection.execute(text(f"ALTER TABLE `{table}` MODIFY `{column}` {kind} NULL"))
    elif original.kind == "postgresql":
        change = f'ALTER TABLE "{table}" DROP COLUMN "{column}", ADD COLUMN "{column}" {kind}'
        original.connection.execute(text(change))
    original.connection.commit()


def remarks(trivet: Trivet, *arguments: str) -> list[str]:
    return [str(line) for line in json.loads(trivet.run(*arguments, "--json"))["remarks"]]


def test_flags_of_bits_mean_what_they_say(original: Original, trivet: Trivet) -> None:
    for column in ("emailVerified", "banned"):
        retype(original, "user", column, "bit(1)")
    bits = {"mysql": (b"\0", b"\1"), "postgresql": ("0", "1"), "sqlite": (b"\0", b"\1")}[original.kind]
    original.user("no@x.io", emailVerified=bits[0], banned=bits[0])
    original.user("yes@x.io", emailVerified=bits[1], banned=bits[1])
    trivet.run(*IMPORT, original.url)
    kept = {row["email"]: (row["email_verified"], row["banned"]) for row in trivet.rows("users")}
    assert kept == {"no@x.io": (False, False), "yes@x.io": (True, True)}
    trivet.execute(schema.users.update().values(email_verified=True, name="Changed"))
    trivet.run(*EXPORT, original.url)
    back = {row["email"]: row["emailVerified"] for row in original.rows("user") if row["name"] == "Changed"}
    assert {str(flag(value)) for value in back.values()} == {"True"}
    assert len(back) == 2


def test_a_flag_that_means_neither_is_refused_with_its_row_and_the_others_come(
    original: Original, trivet: Trivet
) -> None:
    for column in ("emailVerified", "banned"):
        retype(original, "user", column, "varchar(10)")
    for number, said in enumerate(("off", "0.0", "f", "NO", "false")):
        original.user(f"{number}@x.io", emailVerified=said, banned=said)
    original.user("verified@x.io", emailVerified="on", banned="n")
    odd = original.user("odd@x.io", emailVerified="no", banned="maybe")
    report = json.loads(trivet.run(*IMPORT, original.url, "--json"))
    assert report["counts"] == {"users": {"imported": 6, "skipped": 1}}
    (reason,) = report["reasons"]
    assert (reason["reason"], reason["examples"]) == ("the column banned holds neither yes nor no", [odd])
    assert [row["email"] for row in trivet.rows("users") if row["email_verified"]] == ["verified@x.io"]
    assert not any(row["banned"] for row in trivet.rows("users"))


def test_of_two_spellings_the_oldest_stays_though_its_month_has_one_digit(original: Original, trivet: Trivet) -> None:
    if original.kind == "mysql":
        original.connection.execute(text("ALTER TABLE `user` MODIFY email varchar(255) COLLATE utf8mb4_bin NOT NULL"))
    oldest = original.user("Ann@x.io", createdAt=FEBRUARY)
    original.user("ann@x.io", createdAt=OCTOBER)
    accented = original.user("É@x.io", createdAt=FEBRUARY)
    original.user("é@x.io", createdAt=OCTOBER)
    trivet.run(*IMPORT, original.url)
    assert {row["id"] for row in trivet.rows("users")} == {oldest, accented}


def test_of_two_spellings_in_a_plain_table_the_oldest_stays_too(original: Original, trivet: Trivet) -> None:
    binary = {"mysql": " COLLATE utf8mb4_bin"}.get(original.kind, "")
    original.connection.execute(
        text(f"CREATE TABLE users (email varchar(99){binary}, password_hash varchar(255), created_at varchar(40))")
    )
    for email, created in (("ANN@x.io", "2024-10-01"), ("Ann@x.io", "2024-02-03"), ("ann@x.io", "2024-03-01")):
        row = {"email": email, "hash": SCRYPT, "created": created}
        original.connection.execute(text("INSERT INTO users VALUES (:email, :hash, :created)"), row)
    original.connection.commit()
    counts, reasons = trivet.report("import", "plain", "--from", original.url)
    assert counts == {"users": {"imported": 1, "skipped": 2}, "accounts": {"imported": 1}}
    assert reasons == {"an older user has the same address in other letters": 2}
    assert [row["created_at"] for row in trivet.rows("users")] == [FEBRUARY]


def test_a_row_whose_times_cannot_be_kept_is_reported_and_the_others_come(original: Original, trivet: Trivet) -> None:
    """PostgreSQL has infinity and years beyond 9999, MySQL has the year 0, SQLite has any text."""
    impossible = {
        "postgresql": ("infinity", "-infinity", "0001-01-01 00:00:00 BC", "10000-01-01 00:00:00Z"),
        "mysql": ("0000-00-00 00:00:00",),
        "sqlite": ("infinity", "0000-01-01T00:00:00.000Z", "+010000-01-01T00:00:00.000Z", 253_402_300_800_000),
    }[original.kind]
    if original.kind == "mysql":
        original.connection.execute(text("SET SESSION sql_mode = ''"))
    original.user("ada@x.io")
    lost = {original.user(f"{number}@x.io", createdAt=time) for number, time in enumerate(impossible)}
    bob = original.user("bob@x.io")
    original.session(bob, "lost", expiresAt=impossible[0])
    original.session(bob, "kept")
    original.account(bob)
    original.account(bob, None, providerId="github", accountId="1", createdAt=impossible[0])
    report = json.loads(trivet.run(*IMPORT, original.url, "--json"))
    assert report["counts"] == {
        "users": {"imported": 2, "skipped": len(impossible)},
        "accounts": {"imported": 1, "skipped": 1},
        "sessions": {"imported": 1, "skipped": 1},
    }
    named = {(each["table"], each["reason"]): set(each["examples"]) for each in report["reasons"]}
    assert named["users", NO_TIME.format("createdAt")] == lost
    assert {("accounts", NO_TIME.format("createdAt")), ("sessions", NO_TIME.format("expiresAt"))} < named.keys()


def test_whole_numbers_of_a_column_have_one_unit_and_go_back_in_it(original: Original, trivet: Trivet) -> None:
    """1970-06-01 in milliseconds is not the year 2383, nor 1972 another unit than 2024."""
    retype(original, "user", "createdAt", "bigint")
    times = [datetime(year, 6, 1, tzinfo=UTC) for year in (1970, 1972, 2024)]
    for time in times:
        original.user(f"{time.year}@x.io", createdAt=int(time.timestamp() * 1000))
    assert "user.createdAt: 3 numbers are read as milliseconds, 1970-06-01 to 2024-06-01" in remarks(
        trivet, *IMPORT, original.url
    )
    assert sorted(row["created_at"] for row in trivet.rows("users")) == times
    before = {row["id"]: row["createdAt"] for row in original.rows("user")}
    trivet.execute(schema.users.update().values(name="Changed"))
    trivet.run(*EXPORT, original.url)
    after = original.rows("user")
    assert {row["name"] for row in after} == {"Changed"}
    assert {row["id"]: row["createdAt"] for row in after} == before


def test_numbers_that_are_all_long_ago_are_read_in_the_unit_that_the_operator_says(
    original: Original, trivet: Trivet
) -> None:
    """Milliseconds of 1970 to 1972 could as well be seconds of later centuries: the report doubts its guess."""
    retype(original, "user", "createdAt", "bigint")
    times = [datetime(1970, 1, 2, tzinfo=UTC), datetime(1972, 6, 1, tzinfo=UTC)]
    for time in times:
        original.user(f"{time.year}@x.io", createdAt=int(time.timestamp() * 1000))
    guess = [line for line in remarks(trivet, *IMPORT, original.url, "--dry-run") if "createdAt" in line]
    assert "a guess as none is after 1985: use --time-unit if it is wrong" in guess[-1]
    said = remarks(trivet, *IMPORT, original.url, "--time-unit", "milliseconds")
    assert "user.createdAt: 2 numbers are read as milliseconds, 1970-01-02 to 1972-06-01, as --time-unit says" in said
    assert sorted(row["created_at"] for row in trivet.rows("users")) == times
    before = {row["id"]: row["createdAt"] for row in original.rows("user")}
    trivet.execute(schema.users.update().values(name="Changed"))
    trivet.run(*EXPORT, original.url, "--time-unit", "milliseconds")
    assert {row["id"]: row["createdAt"] for row in original.rows("user")} == before


@contextmanager
def server_at(original: Original, zone: str) -> Iterator[None]:
    """Have new sessions on the server be in a zone, as on a machine that stands there."""
    if original.kind == "mysql":
        original.connection.execute(text(f"SET GLOBAL time_zone = '{zone}'"))
    else:
        name = original.url.rpartition("/")[2]
        # By POSIX, as PostgreSQL has it: west is positive.
        posix = {"+02:00": "<+02>-02"}[zone]
        original.connection.execute(text(f"ALTER DATABASE {name} SET timezone = '{posix}'"))
    original.connection.commit()
    try:
        yield
    finally:
        if original.kind == "mysql":
            original.connection.execute(text("SET GLOBAL time_zone = '+00:00'"))
            original.connection.commit()


@pytest.fixture(params=["timestamp(3)", "datetime(3)"])
def zoneless(original: Original, request: pytest.FixtureRequest) -> Original:
    """An original that keeps its times without a zone; in MySQL's TIMESTAMP they move with the session's."""
    if original.kind == "sqlite":
        pytest.skip("SQLite has no zone of its own, and the original writes texts with one")
    kind = request.param
    if original.kind == "postgresql" and kind == "datetime(3)":
        pytest.skip("PostgreSQL has one such type")
    for table, column in (("user", "createdAt"), ("user", "updatedAt"), ("session", "expiresAt")):
        retype(original, table, column, kind)
    return original


def write_as_app(original: Original, of_app: timedelta) -> tuple[datetime, datetime]:
    """Write a user and a session that ends in an hour as an app in a zone would, and return both times in UTC."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with connected(original.url) as connection:
        if original.kind == "mysql":  # an app's session keeps the server's zone
            connection.execute(text("SET SESSION time_zone = @@global.time_zone"))
        writer = Original(original.url, original.kind, connection)
        local = {"createdAt": (OCTOBER + of_app).replace(tzinfo=None), "updatedAt": OCTOBER.replace(tzinfo=None)}
        ada = writer.user("ada@x.io", **local)
        writer.session(ada, "live", **{**local, "expiresAt": (ends + of_app).replace(tzinfo=None)})
    return OCTOBER, ends


@pytest.mark.parametrize("zone", ["UTC", "+02:00"])
def test_times_are_what_the_app_meant_wherever_the_server_stands(
    zoneless: Original, trivet: Trivet, zone: str, request: pytest.FixtureRequest
) -> None:
    """A server at +02:00 does not tell whether its app writes UTC or its own time: the operator does."""
    if "pgbouncer" in request.node.name:
        pytest.skip("the pooler's sessions keep the zone with which they began")
    of_app = timedelta(hours=2 if zone == "+02:00" else 0)
    with server_at(zoneless, "+02:00"):
        created, ends = write_as_app(zoneless, of_app)
        with pytest.raises(
            CommandFailed, match=r"stored without a zone, and the server's own is .*02.*: use --time-zone UTC"
        ):
            trivet.run(*IMPORT, zoneless.url)
        assert trivet.rows("users") == []
        said = remarks(trivet, *IMPORT, zoneless.url, "--time-zone", zone)
        assert any("`user` (createdAt, updatedAt" in line and "stored without a zone" in line for line in said)
        assert [row["created_at"] for row in trivet.rows("users")] == [created]
        assert [row["expires_at"] for row in trivet.rows("sessions")] == [ends]
        trivet.execute(schema.users.delete())
        trivet.run(*IMPORT, f"{zoneless.url}?timezone={zone.replace('+', '%2B')}")  # as mysql2 is told it
        assert [row["created_at"] for row in trivet.rows("users")] == [created]
        before = [row["createdAt"] for row in zoneless.rows("user")]
        with pytest.raises(CommandFailed, match=r"--to: times there are stored without a zone"):
            trivet.run(*EXPORT, zoneless.url)
        trivet.run(*EXPORT, zoneless.url, "--time-zone", zone)
        assert [row["createdAt"] for row in zoneless.rows("user")] == before


def test_a_server_in_utc_is_believed_with_a_warning_unless_times_lie_ahead(zoneless: Original, trivet: Trivet) -> None:
    """An app in Berlin on a server in UTC writes times that have not come yet."""
    zoneless.session(zoneless.user("ada@x.io"), "live")
    (_, *others) = remarks(trivet, *IMPORT, zoneless.url)
    assert not any("is in the future if" in line for line in others)
    ahead = (datetime.now(UTC) + timedelta(hours=2)).replace(tzinfo=None)
    zoneless.user("bob@x.io", createdAt=ahead, updatedAt=ahead)
    with pytest.raises(CommandFailed, match="is in the future if its zone is UTC: use --time-zone"):
        trivet.run(*IMPORT, zoneless.url)
    trivet.run(*IMPORT, zoneless.url, "--time-zone", "+02:00")
    (bob,) = [row for row in trivet.rows("users") if row["email"] == "bob@x.io"]
    assert abs(bob["created_at"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_one_whose_values_do_not_fit_there_is_left_out_alone(original: Original, trivet: Trivet) -> None:
    """MySQL's TIMESTAMP ends in 2038, and Better Auth keeps bans in one."""
    if original.kind != "mysql":
        pytest.skip("the other engines keep such times")
    original.user("ada@x.io")
    banned = original.user("mallory@x.io", banned=True)
    trivet.run(*IMPORT, original.url)
    later = datetime(2099, 1, 1, tzinfo=UTC)
    trivet.execute(schema.users.update().where(schema.users.c.id == banned).values(ban_expires=later))
    counts, reasons = trivet.report(*EXPORT, original.url)
    assert counts["users"] == {"updated there": 1, "skipped": 1}
    assert reasons[original.refusal_of("banExpires")] == 1
