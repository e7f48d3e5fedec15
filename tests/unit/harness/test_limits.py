"""Who runs a gateway without rate limits: production has them, so each exception has its reason."""

from tests.harness.processes import ROOT

UNLIMITED = {
    "bench/testbed/start.py": "sign-ins and resets of one account, more than it may have",
    "tests/api/gateway/conftest.py": "a count is one more RPC to the services that stand in",
    "tests/differential/servers.py": "the original was recorded with its own limits off",
    "tests/faults/test_overload.py": "a flood of one account's sign-ins, which is to reach the queue",
}
HERE = {"tests/harness/clients.py", "tests/unit/harness/test_limits.py"}


def _files_with(word: str) -> set[str]:
    files = [path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)) for path in files if word in path.read_text()} - HERE


def test_the_rate_limits_are_off_only_where_one_is_in_the_way() -> None:
    assert _files_with("UNLIMITED") == set(UNLIMITED)
    assert _files_with('RATE_LIMIT="off"') | _files_with('RATE_LIMIT": "off"') == set()
