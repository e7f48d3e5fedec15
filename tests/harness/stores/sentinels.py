"""A Redis of one primary and two replicas, and three sentinels that watch over it, all on loopback."""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.harness.ports import free_port
from tests.harness.stores.engines import Engine, find, running, server_folder
from tests.harness.waiting import eventually

SERVICE = "trivet-tests"
DOWN_AFTER_MS = 800


@dataclass
class Watched:
    """The servers by their ports, the sentinels, and the URL that names them all."""

    servers: dict[int, Engine]
    sentinels: list[Engine]
    url: str

    def primary(self) -> int:
        """Return the port of the server that the first sentinel takes for the primary."""
        with Redis(port=port_of(self.sentinels[0])) as sentinel:
            found = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(found[1])


def port_of(engine: Engine) -> int:
    return int(engine.url.rpartition(":")[2].partition("/")[0])


@contextmanager
def watched() -> Iterator[Watched]:
    """Run them until all replicas are in step and all sentinels know of each other."""
    server, ports = find("redis-server"), [free_port() for _ in range(3)]
    with ExitStack() as stack:
        servers = {}
        for port in ports:
            folder = stack.enter_context(server_folder("redis", None))
            command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
            command += ["--repl-diskless-sync-delay", "0"]
            if port != ports[0]:
                command += ["--replicaof", f"127.0.0.1 {ports[0]}"]
            engine = Engine("redis", f"redis://127.0.0.1:{port}/0")
            servers[port] = stack.enter_context(running(engine, command, port, folder))
        eventually(lambda: _replicas(ports[0]) == 2, seconds=20)
        sentinels = [stack.enter_context(_sentinel(server, ports[0])) for _ in range(3)]
        hosts = ",".join(f"127.0.0.1:{port_of(sentinel)}" for sentinel in sentinels)
        eventually(lambda: all(_knows_all(port_of(sentinel)) for sentinel in sentinels), seconds=20)
        yield Watched(servers, sentinels, f"redis+sentinel://{hosts}/{SERVICE}")


@contextmanager
def with_password(password: str) -> Iterator[tuple[int, str]]:
    """Run a server and one sentinel that wants a password; return the server's port and the sentinel's address."""
    server, port = find("redis-server"), free_port()
    with server_folder("redis", None) as folder:
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        engine = Engine("redis", f"redis://127.0.0.1:{port}/0")
        with running(engine, command, port, folder), _sentinel(server, port, password) as sentinel:
            yield port, f"127.0.0.1:{port_of(sentinel)}"


@contextmanager
def _sentinel(server: str, primary: int, password: str = "") -> Iterator[Engine]:
    port = free_port()
    with server_folder("sentinel", None) as folder:
        settings = Path(folder) / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 4000\n" + (f"requirepass '{password}'\n" if password else "")
        )
        engine = Engine("sentinel", f"redis://127.0.0.1:{port}")
        with running(engine, [server, str(settings), "--sentinel"], port, folder) as sentinel:
            yield sentinel


def _replicas(port: int) -> int:
    with contextlib.suppress(RedisError), Redis(port=port) as redis:
        info = redis.info("replication")
        return sum(info.get(f"slave{number}", {}).get("state") == "online" for number in range(2))
    return 0


def _knows_all(port: int) -> bool:
    with contextlib.suppress(RedisError, KeyError), Redis(port=port) as sentinel:
        known = sentinel.info("sentinel")["master0"]
        return bool(known["slaves"] == 2 and known["sentinels"] == 3 and known["status"] == "ok")
    return False
