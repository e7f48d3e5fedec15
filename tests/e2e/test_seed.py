"""`trivet db` beside a running stack: what it shows of all three stores, and seeded users who sign in and go again."""

import json
from pathlib import Path

from ops.seed.people import domain_of
from ops.seed.seeding import PASSWORD
from tests.e2e.accounts import sign_in, sign_up
from tests.harness.stack import stack as run_stack

USERS = 12


def test_seeded_users_sign_in_and_are_cleared_beside_a_running_stack(tmp_path: Path) -> None:
    with run_stack(tmp_path / "data") as stack:
        status = stack.run("db", "status", "--check", "--json")
        assert status.returncode == 0, status.stderr
        assert {row["store"] for row in json.loads(status.stdout)["migrations"]} == {"sql", "mongodb"}

        seeded = stack.run("db", "seed", "--users", str(USERS), "--seed", "5")
        assert seeded.returncode == 0, seeded.stderr
        assert f"{USERS} users" in seeded.stdout
        assert f"@{domain_of(5)}; the password is {PASSWORD}" in seeded.stdout
        again = stack.run("db", "seed", "--users", str(USERS), "--seed", "5")
        assert again.stderr.endswith("or delete it with `trivet db clear`\n")
        listed = json.loads(stack.run("users", "list", "--json").stdout)["users"]
        people = [each for each in listed if each["email"].endswith(domain_of(5))]
        assert len(people) == USERS
        person = next(each["email"] for each in people if not each["banned"])
        assert sign_in(stack.url, person, PASSWORD) == 200

        stats = json.loads(stack.run("db", "stats", "--json").stdout)
        rows = {f"{each['store']} {each['name']}": each["rows"] for each in stats["tables"]}
        assert rows["sql users"] == USERS
        assert rows["mongodb notifications"] > 0
        assert any(name.startswith("redis ") for name in rows)
        assert [each for each in stats["indexes"] if each["state"] == "missing"] == []

        sign_up(stack.url, "kept@trivet-tests.dev")
        cleared = stack.run("db", "clear", "--yes-delete-everything")
        assert (cleared.returncode, cleared.stdout) == (0, f"deleted {USERS} users\n"), cleared.stderr
        assert sign_in(stack.url, person, PASSWORD) == 401
        assert sign_in(stack.url, "kept@trivet-tests.dev") == 200
        assert stack.run("db", "clear").stdout == "there are no users of tests or seeds\n"
