"""Which ports a stack takes."""

import socket
from collections.abc import Iterator

import pytest

from ops import ports
from ops.errors import Refused
from ops.settings import StackSettings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def settings(**given: str) -> StackSettings:
    free = {f"TRIVET_{name}_PORT": "0" for name in ("HTTP", "IDENTITY", "NOTIFICATIONS", "CACHE")}
    return StackSettings.model_validate(free | given)


def test_zero_is_a_free_port_and_no_two_are_alike() -> None:
    """And no connection can take one before its server does: the kernel gives them higher ports."""
    chosen = ports.choose(settings())
    every = [chosen.http, *chosen.services.values(), *chosen.metrics.values(), *chosen.stores.values()]
    assert min(every) >= ports.LOWEST
    assert max(every) < ports.EPHEMERAL
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("variable", ["TRIVET_HTTP_PORT", "TRIVET_IDENTITY_PORT"])
def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_its_variable(taken: int, variable: str) -> None:
    with pytest.raises(Refused, match=f"port {taken} is taken: .*{variable}"):
        ports.choose(settings(**{variable: str(taken)}))


def test_a_default_port_of_a_service_gives_way_in_development(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StackSettings.model_fields["identity_port"], "default", taken)
    StackSettings.model_rebuild(force=True)
    given = {"TRIVET_HTTP_PORT": "0", "TRIVET_NOTIFICATIONS_PORT": "0", "TRIVET_CACHE_PORT": "0"}
    chosen = ports.choose(StackSettings.model_validate(given))
    assert chosen.moved["identity"] == (taken, chosen.services["identity"])
    assert chosen.services["identity"] != taken
    monkeypatch.undo()
    StackSettings.model_rebuild(force=True)


def test_workers_of_the_gateway_have_ports_for_their_metrics_in_a_row() -> None:
    chosen = ports.choose(settings(TRIVET_GATEWAY_WORKERS="4"))
    run = range(chosen.metrics["gateway"], chosen.metrics["gateway"] + 4)
    others = [chosen.http, *chosen.services.values(), *chosen.stores.values()]
    assert not set(run) & {*others, *(chosen.metrics[name] for name in chosen.services)}
    assert all(ports.is_free("127.0.0.1", port) for port in run)
