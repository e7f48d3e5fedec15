"""How the cache service is pointed at its Redis."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Engines
from tests.harness.ports import free_port
from tests.harness.processes import client, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub


@pytest.fixture
def tls_redis(engine: Engines, tmp_path: Path) -> Iterator[Engine]:
    """A Redis that speaks TLS alone, with a certificate that signs itself; its folder holds `cert.pem`."""
    assert engine.get("redis")
    key, cert, port = tmp_path / "key.pem", tmp_path / "cert.pem", free_port()
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*new, *name, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    command = [engines.find("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"]
    command += ["--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-auth-clients", "no", "--save", ""]
    url = f"rediss://127.0.0.1:{port}/0"
    with engines.running(Engine("redis", url), command, port, tmp_path) as server:
        yield server


async def test_it_reaches_redis_over_tls(tls_redis: Engine) -> None:
    with process("cache", REDIS_URL=f"{tls_redis.url}?ssl_ca_certs={tls_redis.folder}/cert.pem") as running:
        async with client(running) as channel:
            answer = await CacheServiceStub(channel).Get(pb.GetRequest(namespace="things", key="a"))
    assert answer.lookup.HasField("position")


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(tls_redis: Engine) -> None:
    with process("cache", wait=False, REDIS_URL=tls_redis.url) as running:
        async with client(running) as channel:
            get = CacheServiceStub(channel).Get(pb.GetRequest(namespace="things", key="a"), wait_for_ready=True)
            assert not (await get).lookup.HasField("position")


async def test_host_and_port_will_do_where_there_is_no_url(engine: Engines) -> None:
    host, _, port = engine.get("valkey").url.removeprefix("redis://").removesuffix("/0").rpartition(":")
    with process("cache", REDIS_HOST=host, REDIS_PORT=port) as running:
        async with client(running) as channel:
            answer = await CacheServiceStub(channel).Get(pb.GetRequest(namespace="things", key="a"))
    assert answer.lookup.HasField("position")


@pytest.mark.parametrize("url", ["http://user:hush@127.0.0.1/", "redis+sentinel://user:hush@127.0.0.1:26379/"])
def test_a_wrong_url_is_told_by_its_name(url: str) -> None:
    with process("cache", wait=False, REDIS_URL=url) as running:
        assert running.popen.wait(20) == 2
        assert "REDIS_URL must be like redis://" in running.output()
        assert "hush" not in running.output()


def test_a_prefix_that_no_key_may_begin_with_is_told_by_its_name() -> None:
    with process("cache", wait=False, TRIVET_CACHE_PREFIX="two words") as running:
        assert running.popen.wait(20) == 2
        assert "TRIVET_CACHE_PREFIX: must be 1 to 64 characters" in running.output()
