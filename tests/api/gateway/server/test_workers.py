"""Several workers on one port: who answers, what happens when one dies, and how all of them end."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from grpc import ChannelConnectivity
from pydantic import SecretStr

from gateway.backends import open_backends
from gateway.readiness import SHARED_SECONDS
from gateway.settings import GatewaySettings
from ops.keys.pair_keys import pair_key
from runtime.settings import Keys
from tests.api.gateway.conftest import running
from tests.api.gateway.server.several_workers import CLIENTS, WORKERS, loaded, several
from tests.api.gateway.stand_ins import SERVED, USER, StandIns
from tests.api.gateway.wire import connection, head, status
from tests.harness.peers.proxy import Proxy
from tests.harness.peers.unread import never_reading
from tests.harness.processes import SECRET, process
from tests.harness.stack import is_running
from tests.harness.waiting import until

ROUNDS = 3


async def test_both_workers_answer_each_a_process_of_its_own(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with several(stand_ins) as workers, loaded(workers.gateway.port) as load:
        await until(workers.all_serve, 30)
        assert not load.lost


async def test_every_worker_lets_a_client_go_that_never_reads(stand_ins: StandIns) -> None:
    """H1: the kernel gives each of eight clients to a worker by chance."""
    stand_ins.reset()
    async with several(stand_ins, TRIVET_HEADER_SECONDS="1") as workers, AsyncExitStack() as held:
        before = await workers.told("trivet_http_requests_total")
        clients = [await held.enter_async_context(never_reading(workers.gateway.port)) for _ in range(8)]
        for client in clients:
            client.send(head("GET", "/openapi.json") * 1_000)
        taken = [await client.ended(within=60) for client in clients]
        assert taken[0] > 1
        made = [now - then for now, then in zip(await workers.told("trivet_http_requests_total"), before, strict=True)]
        assert 8 <= sum(made) < 80


async def test_a_worker_that_is_killed_is_missed_by_nobody_for_long_and_comes_back(stand_ins: StandIns) -> None:
    """What was under way in it is lost; everything else is answered by the others, and its return is counted."""
    stand_ins.reset()
    async with several(stand_ins) as workers, loaded(workers.gateway.port) as load:
        await until(workers.all_serve, 30)
        killed = min(workers.pids)
        os.kill(killed, signal.SIGKILL)
        await load.more()
        await until(workers.are_up, 30)
        await load.more()
        assert killed not in workers.pids
        assert sorted(await workers.told("trivet_gateway_worker_restarts_total")) == [0, 1]
        assert load.refused + load.lost.total() <= CLIENTS, "only what was under way, handshakes too"
        assert "was ended by SIGKILL, starting again in " in workers.gateway.process.output()


async def test_a_worker_that_is_asked_to_end_loses_no_request(stand_ins: StandIns) -> None:
    """R10: one worker after the other gets SIGTERM under load, as when they are renewed."""
    lost, refused = await _replaced(stand_ins)
    assert not lost
    assert refused <= CLIENTS, "one worker or another accepts at every moment"


async def test_without_the_hand_over_requests_are_lost(stand_ins: StandIns) -> None:
    """The protection off: a worker stops at once, with its connections and those that wait to be accepted."""
    lost, _ = await _replaced(stand_ins, TRIVET_FAILPOINTS="gateway.no_hand_over")
    assert lost


async def _replaced(stand_ins: StandIns, **extra: str) -> tuple[Counter[str], int]:
    """Replace every worker in turn under load. Return the lost requests by their error, and the refused connections."""
    stand_ins.reset()
    async with several(stand_ins, **extra) as workers, loaded(workers.gateway.port) as load:
        for _ in range(ROUNDS):
            for pid in sorted(workers.pids):
                await until(workers.all_serve, 30)
                os.kill(pid, signal.SIGTERM)
                await until(lambda pid=pid: not is_running(pid), 30)  # type: ignore[misc]  # bound to this round
        await until(workers.all_serve, 30)
        return load.lost, load.refused


async def test_sigterm_under_load_loses_no_request_that_was_accepted(stand_ins: StandIns) -> None:
    """R10."""
    stand_ins.reset()
    async with several(stand_ins) as workers, loaded(workers.gateway.port) as load:
        pids = workers.pids
        workers.gateway.process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(workers.gateway.process.popen.wait, 20) == 0
        await until(lambda: load.refused > 0, 5)
        assert not load.lost
        assert not any(map(is_running, pids))


async def test_readiness_fails_in_every_worker_before_the_first_one_ends(stand_ins: StandIns) -> None:
    """R10: a load balancer may ask any of them."""
    stand_ins.reset()
    async with several(stand_ins, TRIVET_DRAIN_SECONDS="60") as workers:
        workers.gateway.process.signal(signal.SIGTERM)

        async def says_no() -> bool:
            # Each on a connection of its own, so that the kernel may choose either worker.
            states = [await _readiness(workers.gateway.port) for _ in range(8)]
            return set(states) == {503}

        await until(says_no, 30)
        assert len(workers.pids) == WORKERS
        workers.gateway.process.signal(signal.SIGTERM)  # do not wait for the drain


async def _readiness(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head("GET", "/readyz"))
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_a_second_sigterm_ends_all_at_once(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with several(stand_ins, TRIVET_DRAIN_SECONDS="60") as workers:
        pids = workers.pids
        workers.gateway.process.signal(signal.SIGTERM)
        await until(lambda: _is_draining(workers.gateway.port), 10)
        workers.gateway.process.signal(signal.SIGTERM)
        assert await asyncio.to_thread(workers.gateway.process.popen.wait, 5) == 1
        await until(lambda: not any(map(is_running, pids)), 10)


async def _is_draining(port: int) -> bool:
    return await _readiness(port) == 503


async def test_a_supervisor_that_is_killed_leaves_no_worker(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with several(stand_ins) as workers:
        pids = workers.pids
        await asyncio.to_thread(workers.gateway.process.kill)
        await until(lambda: not any(map(is_running, pids)), 20)


async def test_a_worker_that_hangs_does_not_outlive_its_supervisor(stand_ins: StandIns) -> None:
    """Stopped while its supervisor is killed, it ends as soon as it runs again."""
    stand_ins.reset()
    async with several(stand_ins) as workers:
        pids = workers.pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(workers.gateway.process.kill)
        assert all(map(is_running, pids)), "what a stopped one cannot hear"
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: not any(map(is_running, pids)), 20)


async def test_a_foreigners_port_is_refused_with_one_clear_line(stand_ins: StandIns) -> None:
    """R37: though workers share a port among themselves."""
    async with several(stand_ins) as workers:
        port = workers.gateway.port
        with process("gateway", port=port, wait=False, TRIVET_GATEWAY_WORKERS="2") as second:
            assert await asyncio.to_thread(second.popen.wait, 30) == 1
            lines = second.output().splitlines()
    assert lines == [f"trivet: the gateway cannot listen on http://127.0.0.1:{port}: Address already in use"]


@pytest.mark.parametrize("wrong", ["0", "many", "-1"])
def test_a_number_of_workers_that_is_none_is_refused_by_name(wrong: str) -> None:
    with process("gateway", port=None, wait=False, TRIVET_GATEWAY_WORKERS=wrong) as started:
        assert started.popen.wait(30) == 2
        assert "TRIVET_GATEWAY_WORKERS" in started.output()


async def test_a_worker_takes_requests_once_it_is_connected_or_has_waited_long_enough(stand_ins: StandIns) -> None:
    """Whoever asks one of several must not meet the one that cannot answer yet; a service that is away keeps none."""
    keys = Keys({name: pair_key(SECRET, "gateway", name) for name in SERVED})
    addresses: dict[str, Any] = {name.removeprefix("TRIVET_").lower(): at for name, at in stand_ins.addresses.items()}
    settings = GatewaySettings(secret=SecretStr(SECRET), call_keys=keys, **addresses)
    async with open_backends(settings) as backends:
        await backends.connected(30)
        states = {channel.get_state() for channel in backends.channels.values()}
    assert states == {ChannelConnectivity.READY}
    async with open_backends(settings.model_copy(update={"cache_address": "127.0.0.1:1"})) as backends:
        await asyncio.wait_for(backends.connected(0.1), 5)


async def test_a_gateway_of_several_workers_is_ready_only_when_every_worker_reaches_identity(
    stand_ins: StandIns,
) -> None:
    """R10: a load balancer asks one worker, and its next request can meet another."""
    stand_ins.reset()
    async with Proxy(stand_ins.addresses["TRIVET_IDENTITY_ADDRESS"]) as identity:
        identity.cut()
        ports = {"TRIVET_GATEWAY_WORKERS": str(WORKERS), "TRIVET_IDENTITY_ADDRESS": identity.address}
        async with running(stand_ins, **ports, TRIVET_METRICS_PORT="0") as gateway:

            async def is_ready() -> bool:
                return await _readiness(gateway.port) == 200

            await until(lambda: gateway.process.output().count("gateway listens on") == WORKERS, 30)
            identity.let_one_through()
            await until(lambda: _answers_a_person(gateway.port), 30)
            with pytest.raises(TimeoutError):
                await until(is_ready, 2 * SHARED_SECONDS)
            identity.restore()
            await until(is_ready, 30)
            assert all([await _answers_a_person(gateway.port) for _ in range(8 * WORKERS)])


async def _answers_a_person(port: int) -> bool:
    """Ask for what identity must answer, on a connection of its own, so that the kernel chooses a worker."""
    async with connection(port) as (reader, writer):
        (authorization,) = USER.items()
        writer.write(head("GET", "/v1/notifications:countUnread", ": ".join(authorization)))
        return await status(reader) == 200
