"""Which ports a stack takes."""

import random
import socket
from collections.abc import Iterator

import pytest

from ops.errors import CommandFailed, WrongSettings
from ops.settings import StackSettings
from ops.stack import ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def taken_on_ipv6() -> Iterator[int]:
    """A port that something listens on at ::1 alone."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port that nothing listens on."""
    return ports.free_run("127.0.0.1", 1)


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
    with pytest.raises(CommandFailed, match=f"port {taken} of {variable} is taken: stop what listens there"):
        ports.choose(settings(**{variable: str(taken)}))


def test_two_settings_with_one_port_are_refused_by_both_names(free: int) -> None:
    given = {"TRIVET_IDENTITY_PORT": str(free), "TRIVET_HTTP_PORT": str(free)}
    with pytest.raises(
        WrongSettings,
        match=f"TRIVET_HTTP_PORT and TRIVET_IDENTITY_PORT are both {free}: give each a port of its own",
    ):
        ports.choose(settings(**given))


def test_all_taken_ports_are_refused_at_once(taken: int, free: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free))
        other.listen()
        given = {"TRIVET_CACHE_PORT": str(taken), "TRIVET_HTTP_PORT": str(free)}
        with pytest.raises(
            CommandFailed, match=f"port {free} of TRIVET_HTTP_PORT, port {taken} of TRIVET_CACHE_PORT is taken"
        ):
            ports.choose(settings(**given))


def test_a_default_port_gives_way_to_a_setting_with_the_same_one(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StackSettings.model_fields["identity_port"], "default", free)
    StackSettings.model_rebuild(force=True)
    given = {"TRIVET_HTTP_PORT": str(free), "TRIVET_NOTIFICATIONS_PORT": "0", "TRIVET_CACHE_PORT": "0"}
    chosen = ports.choose(StackSettings.model_validate(given))
    assert chosen.http == free
    assert chosen.moved["identity"] == (free, chosen.services["identity"])
    assert chosen.services["identity"] != free
    monkeypatch.undo()
    StackSettings.model_rebuild(force=True)


def test_a_port_that_was_asked_for_is_none_of_those_that_are_found(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there yet, so it looks free."""
    offered = iter([free, free + 1])
    monkeypatch.setattr(random, "randrange", lambda *_: next(offered))
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    assert ports.free_run("127.0.0.1", 1, without=[free]) == free + 1


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


def test_an_ipv6_host_has_free_ports_and_taken_ones(free: int, taken_on_ipv6: int) -> None:
    assert ports.is_free("::1", free)
    assert not ports.is_free("::1", taken_on_ipv6)
    with pytest.raises(CommandFailed, match=f"port {taken_on_ipv6} of TRIVET_HTTP_PORT is taken"):
        ports.choose(settings(TRIVET_HOST="::1", TRIVET_HTTP_PORT=str(taken_on_ipv6)))


def test_a_run_of_ports_is_free_for_the_embedded_stores_too(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """These listen on 127.0.0.1, whatever the host is."""
    offered = iter([taken, taken + 1])
    monkeypatch.setattr(random, "randrange", lambda *_: next(offered))
    monkeypatch.setattr(ports, "is_free", lambda host, port: host == "::1" or port != taken)
    assert ports.free_run("::1", 1) == taken + 1


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_refused_by_its_setting(host: str) -> None:
    with pytest.raises(WrongSettings, match=f"TRIVET_HOST is '{host}', where this machine cannot listen: "):
        ports.choose(settings(TRIVET_HOST=host, TRIVET_HTTP_PORT="8080"))
