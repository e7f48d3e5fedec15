"""`trivet run`: what it prints, which ports and folders it takes, and what it refuses."""

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from ops.keys.pair_keys import SEALING
from ops.stack.environment import SIGNING
from tests.e2e.accounts import sign_in, sign_up
from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.stack import NAMES, Stack, environment, trivet
from tests.harness.stack import stack as run_stack
from tests.harness.waiting import eventually

SERVICES = ("identity", "notifications", "cache")


def test_it_says_once_that_it_is_ready_and_lists_every_address_under_it(stack: Stack) -> None:
    assert stack.output.count("trivet: ready on http://localhost:") == 1
    assert {"docs", *SERVICES, "sql", "mongodb", "redis", "data"} <= stack.addresses.keys()
    for name in (*SERVICES, "gateway"):
        assert httpx.get(stack.addresses[f"{name} metrics"]).status_code == 200, name


def test_it_shows_each_part_as_it_becomes_ready_with_milliseconds(stack: Stack) -> None:
    before = stack.output.partition("trivet: ready on")[0]
    for name in NAMES:
        assert f"  {name:<14} ready after " in before
    assert " ms on " in before


def test_it_is_healthy_when_it_says_so(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/readyz").status_code == 200
    assert httpx.get(stack.addresses["docs"]).status_code == 200


def test_a_page_of_a_dev_server_signs_up_and_stays_signed_in(stack: Stack) -> None:
    """No origin is configured: the page's port is the dev server's, its host the one that the ready line names."""
    page = {"origin": "http://localhost:5173"}
    body = {"name": "Dev", "email": "dev-server@example.com", "password": "correct horse battery"}
    with httpx.Client(base_url=stack.url, headers=page) as browser:
        answer = browser.post("/api/auth/sign-up/email", json=body)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page["origin"])
        assert browser.get("/api/auth/get-session").json()["user"]["email"] == body["email"]
        assert browser.post("/api/auth/sign-out", json={}).status_code == 200


def test_a_page_under_another_name_of_this_machine_is_warned_of_with_the_mend(stack: Stack) -> None:
    address = stack.url.replace("localhost", "127.0.0.1")
    httpx.get(f"{address}/api/auth/ok", headers={"origin": "http://localhost:5174"})
    eventually(lambda: f"set the client's baseURL to {stack.url}" in stack.log, seconds=20)


def test_the_embedded_database_is_in_wal_mode(stack: Stack) -> None:
    """By the file itself: its 18th and 19th byte say how it is written and read."""
    header = (Path(stack.environment["TRIVET_DATA"]) / "trivet.db").read_bytes()[:20]
    assert header[18:20] == b"\x02\x02"


def test_secantusdb_is_a_process_of_its_own(stack: Stack) -> None:
    assert "secantusd-py" in Path(f"/proc/{stack.children()['secantusdb']}/cmdline").read_text()
    for name in (*SERVICES, "gateway"):
        assert "secantus/" not in Path(f"/proc/{stack.children()[name]}/maps").read_text(), name


def test_each_process_holds_only_the_keys_it_needs(stack: Stack) -> None:
    """K1: the secret that all keys follow from is theirs alone who sign with it, and on no command line."""
    secret = stack.environment["TRIVET_SECRET"].encode()
    for name, pid in stack.children().items():
        held = Path(f"/proc/{pid}/environ").read_bytes()
        assert (secret in held) == (name in SIGNING), name
        assert (b"TRIVET_SEAL_KEYS" in held) == (name in SEALING), name
        assert (b"TRIVET_ACCEPT_KEYS" in held) == (name in SERVICES), name
        assert (b"DATABASE_URL" in held) == (name == "identity"), name
        assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes(), name


def test_a_second_stack_needs_only_another_http_port(tmp_path: Path) -> None:
    """Services' default ports that are taken give way to free ones, and the data is in a folder of its own."""
    http = free_port()
    own = environment(tmp_path, TRIVET_HTTP_PORT=str(http))
    for variable in ("TRIVET_DATA", *(f"TRIVET_{name.upper()}_PORT" for name in SERVICES)):
        del own[variable]
    with ExitStack() as taken:
        for port in (50051, 50052, 50053):
            hold(taken, port)
        second = Stack(own, tmp_path / "second.log")
        try:
            second.wait_until_ready()
            assert second.url == f"http://localhost:{http}"
            assert "trivet: port 50051 is taken, identity listens on " in second.output
            assert second.addresses["data"] == str(ROOT / ".data" / str(http))
        finally:
            second.stop()
            shutil.rmtree(ROOT / ".data" / str(http))


def test_two_stacks_side_by_side_know_nothing_of_each_other(stack: Stack, data: Path) -> None:
    with run_stack(data) as second:
        sign_up(second.url, "only-there@example.com")
        assert sign_in(second.url, "only-there@example.com") == 200
        assert sign_in(stack.url, "only-there@example.com") == 401


def test_every_process_listens_on_an_ipv6_address(data: Path) -> None:
    with run_stack(data, TRIVET_HOST="::1") as stack:
        port = stack.url.rpartition(":")[2]
        sign_up(f"http://[::1]:{port}", "six@example.com")
        assert all(stack.addresses[name].startswith("[::1]:") for name in SERVICES)
        for name in (*SERVICES, "gateway"):
            address = stack.addresses[f"{name} metrics"]
            assert address.startswith("http://[::1]:")
            assert httpx.get(address).status_code == 200, name
        assert stack.run("users", "export", "six@example.com").returncode == 0


def test_a_data_folder_serves_one_stack_at_a_time(stack: Stack) -> None:
    refused = stack.run("run")
    assert refused.returncode == 1
    assert "is in use by another stack (process " in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_taken_http_port_is_one_line_and_status_1(data: Path) -> None:
    with ExitStack() as taken:
        port = hold(taken, 0)
        refused = trivet("run", environment=environment(data, TRIVET_HTTP_PORT=str(port)))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"trivet: port {port} of TRIVET_HTTP_PORT is taken: stop what listens there, or set another port"
        " (0 finds a free one)\n"
    )


def test_one_port_for_two_listeners_is_one_line_and_status_2_before_anything_starts(data: Path) -> None:
    own = environment(data, TRIVET_HTTP_PORT="18080", TRIVET_IDENTITY_PORT="18080")
    refused = trivet("run", environment=own)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "trivet: TRIVET_HTTP_PORT and TRIVET_IDENTITY_PORT are both 18080: give each a port of its own"
        " (0 finds a free one)\n"
    )


def test_all_wrong_settings_are_told_together_by_name(data: Path) -> None:
    """R37: those of the stack, of the gateway and of identity, before anything is started."""
    wrong = {"TRIVET_HTTP_PORT": "many", "TRIVET_SECRET": "short", "TRIVET_BASE_URL": "nowhere", "DATABASE_URL": "x"}
    refused = trivet("run", environment=environment(data, **wrong))
    assert refused.returncode == 2
    for name in wrong:
        assert name in refused.stderr
    assert "short" not in refused.stderr.replace("shorter", "")
    assert "Traceback" not in refused.stderr
    assert not data.exists()


def test_production_never_starts_embedded_stores(data: Path) -> None:
    production = environment(data, TRIVET_ENV="production", TRIVET_BASE_URL="https://app.example.com")
    refused = trivet("run", environment=production)
    assert refused.returncode == 2
    assert "set DATABASE_URL, MONGODB_URI, REDIS_URL: production never runs on embedded stores\n" in refused.stderr


def test_production_refuses_to_start_without_a_good_secret(data: Path) -> None:
    """K1."""
    for secret in ("", "too-short", "a" * 40):
        refused = trivet("run", environment=environment(data, TRIVET_ENV="production", TRIVET_SECRET=secret))
        assert refused.returncode == 2
        assert "TRIVET_SECRET: " in refused.stderr


def hold(held: ExitStack, port: int) -> int:
    """Listen on a port, unless something does already; return it."""
    listener = held.enter_context(socket.socket())
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        assert port != 0
    return int(listener.getsockname()[1])
