"""`trivet keys rotate`: a stack gets a new secret, and its users stay signed in."""

import json
import signal
import subprocess
from pathlib import Path

import httpx

from tests.harness.child_processes import as_child
from tests.harness.people import PASSWORD
from tests.harness.processes import ROOT
from tests.harness.stack import environment, stack, trivet

KILLS = 6
OLD, OTHER = "an-old-secret-0123456789-abcdefghijklmnop", "another-secret-9876543210-qrstuvwxyzabcdef"


def rotate(data: Path, **extra: str) -> "subprocess.CompletedProcess[str]":
    return trivet("keys", "rotate", environment=environment(data, TRIVET_SECRET="", **extra))


def session_of(url: str, cookies: httpx.Cookies) -> object:
    return httpx.get(f"{url}/api/auth/get-session", cookies=cookies).json()


def test_a_session_outlives_a_rotation_of_the_kept_secret(data: Path) -> None:
    """Each step is shown, and done by the command itself: only the restarts are left to the operator."""
    with stack(data, TRIVET_SECRET="") as running:
        body = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
        cookies = httpx.post(
            f"{running.url}/api/auth/sign-up/email", json=body, headers={"origin": running.url}
        ).cookies
    first = (data / "secret").read_text()
    for number in (1, 2):
        done = rotate(data)
        assert done.stdout.startswith(f"step {number} of 4: "), done.stdout + done.stderr
        assert "restart `trivet run`" in done.stdout
    with stack(data, TRIVET_SECRET="") as running:
        assert (data / "secret").read_text() != first
        assert session_of(running.url, cookies) is not None
        assert rotate(data).stdout.startswith("step 3 of 4: ")
    last = rotate(data, TRIVET_SESSION_EXPIRES_SECONDS="60").stdout
    assert last.startswith("step 3 of 4: "), "a minute has not passed"
    kept = json.loads((data / "rotation.json").read_text())
    (data / "rotation.json").write_text(json.dumps(kept | {"signs_since": "2026-01-01T00:00:00+00:00"}))
    assert rotate(data).stdout.startswith("step 4 of 4: ")
    assert rotate(data).stdout.endswith("the rotation is over\n")
    assert not (data / "rotation.json").exists()
    assert (data / "secrets-old").read_text().split() == []
    with stack(data, TRIVET_SECRET="") as running:
        assert session_of(running.url, cookies) is None, "what the old secret signed is refused in the end"


def test_a_rotation_that_was_killed_continues(data: Path) -> None:
    trivet("keys", environment=environment(data, TRIVET_SECRET=""))  # makes the secret
    old = (data / "secret").read_text().strip()
    for number in range(KILLS):
        command = as_child([ROOT / "bin/trivet", "keys", "rotate"])
        with subprocess.Popen(command, env=environment(data, TRIVET_SECRET=""), stdout=subprocess.DEVNULL) as killed:
            try:
                killed.wait(0.2 * number)
            except subprocess.TimeoutExpired:
                killed.send_signal(signal.SIGKILL)
        known = {(data / "secret").read_text().strip(), *_former(data)}
        assert old in known, "the old secret is accepted at every moment"
    for _ in range(3):
        done = rotate(data)
        assert done.returncode == 0 or "DATABASE_URL" in done.stderr or "identity" in done.stderr, done.stderr
    assert (data / "secret").read_text().strip() == json.loads((data / "rotation.json").read_text())["new"]
    assert old in _former(data)


def _former(data: Path) -> list[str]:
    former = data / "secrets-old"
    return former.read_text().split() if former.exists() else []


def test_the_steps_of_a_secret_in_the_environment_are_printed(data: Path) -> None:
    """And the same step again until the settings show that it is done."""

    def step(secret: str, former: str = "") -> tuple[int, dict[str, str], str]:
        own = environment(data, TRIVET_SECRET=secret, TRIVET_SECRETS_OLD=former)
        done = trivet("keys", "rotate", environment=own)
        lines = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("TRIVET_"))
        return done.returncode, lines, done.stdout + done.stderr

    first = step(OLD)
    assert first[0] == 0
    assert step(OLD) == first
    new = first[1]["TRIVET_SECRETS_OLD"]
    assert "restart cache, notifications, identity, then the gateways" in first[2]
    assert step(OLD, new)[1] == {"TRIVET_SECRET": new, "TRIVET_SECRETS_OLD": OLD}
    status, _, said = step(new)
    assert status != 0
    assert "too early" in said
    status, _, said = step(OTHER)
    assert status != 0
    assert "neither the old nor the new secret" in said
    assert (data / "rotation.json").stat().st_mode & 0o777 == 0o600
