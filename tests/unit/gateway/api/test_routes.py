"""The HTTP API does not change by accident."""

import os
from importlib import import_module
from pathlib import Path

import pytest

from gateway.api.http_rules import rules
from gateway.api.services import SERVICES

GOLDEN = Path(__file__).parents[3] / "golden" / "routes.txt"


def test_verbs_paths_and_rpcs_are_those_that_are_written_down() -> None:
    served = sorted(
        f"{rule.template} {rule.verb} {rule.rpc.full_name}"
        for descriptors in SERVICES.values()
        for rule in rules(descriptors)
    )
    text = "".join(f"{verb:6} {path} {rpc}\n" for path, verb, rpc in (line.split() for line in served))
    if os.environ.get("TRIVET_RENEW_GOLDEN"):
        GOLDEN.write_text(text)
    assert GOLDEN.read_text() == text, (
        "the routes have changed: if that is meant, run "
        "`TRIVET_RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/unit/gateway/api/test_routes.py` and commit the file"
    )


@pytest.mark.parametrize("process", SERVICES)
def test_every_route_leads_to_an_rpc_that_its_process_serves(process: str) -> None:
    """A route that answers 501 is none."""
    served = import_module(f"services.{process}.policy").POLICY
    for rule in rules(SERVICES[process]):
        assert f"{rule.rpc.containing_service.full_name}/{rule.rpc.name}" in served
