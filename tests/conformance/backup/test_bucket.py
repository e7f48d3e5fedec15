"""Backups in an S3-compatible bucket: uploaded in parts, resumed after a broken connection, whole or not listed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ops.backup.creation import create
from ops.backup.destinations.bucket import CONFIG, BucketDestination
from ops.backup.destinations.resuming import ResumingObject
from ops.backup.destinations.uploading import PART_BYTES, Upload
from ops.backup.manifest import new_backup_id
from ops.backup.pruning import prune
from ops.backup.restoration import Restoration
from ops.backup.retention import rules_in
from ops.errors import CommandFailed, WrongSettings
from tests.conformance.backup.conftest import Backups, documents_of, rows_of
from tests.harness.peers.proxy import Proxy
from tests.harness.processes import ROOT
from tests.harness.stack import trivet
from tests.harness.stores.s3 import s3_server, variables

BUCKET = "backups"
ON_SQLITE = pytest.mark.parametrize("sql_engine", ["sqlite"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket; the environment leads to it."""
    for name, value in variables(server).items():
        monkeypatch.setenv(name, value)
    found = boto3.resource("s3").Bucket(BUCKET)
    found.create()
    yield found
    for upload in found.multipart_uploads.all():
        upload.abort()
    found.objects.delete()
    found.delete()


def client_at(address: str) -> Any:
    return boto3.client("s3", endpoint_url=f"http://{address}", config=CONFIG)


def noise(mebibytes: int) -> bytes:
    return os.urandom(mebibytes << 20)


@ON_SQLITE
def test_a_backup_in_a_bucket_is_listed_restored_and_pruned(backups: Backups, bucket: Any) -> None:
    destination = BucketDestination(BUCKET, "trivet/prod")
    first, second = create(destination, backups.source), create(destination, backups.source)
    assert list(destination.ids()) == [first.backup_id, second.backup_id]
    assert destination.manifest(second.backup_id) == second
    target = backups.fresh()
    Restoration(destination, second, target, None).run()
    assert (rows_of(target), documents_of(target)) == (rows_of(backups.source), documents_of(backups.source))
    assert prune(destination, rules_in("1 daily")) == [first.backup_id]
    assert {each.key.split("/")[2] for each in bucket.objects.all()} == {second.backup_id}


@ON_SQLITE
def test_the_command_takes_a_bucket(backups: Backups, bucket: Any, server: str) -> None:
    environment = {**backups.environment, **variables(server), "TRIVET_BACKUP_TO": f"s3://{BUCKET}"}
    made = trivet("backup", "create", environment=environment)
    assert made.returncode == 0, made.stderr
    assert trivet("backup", "list", environment=environment).stdout.count("Z-") == 1


async def test_an_upload_goes_on_after_a_broken_connection(bucket: Any, server: str) -> None:
    data, loop = noise(20), asyncio.get_running_loop()
    async with Proxy(server) as proxy:

        def break_for_a_while() -> None:
            proxy.cut()
            loop.call_later(1.0, proxy.restore)

        def upload() -> int:
            with Upload(client_at(proxy.address), BUCKET, "key") as sink:
                sink.write(data[:PART_BYTES])
                loop.call_soon_threadsafe(break_for_a_while)
                sink.write(data[PART_BYTES:])
                return len(sink._parts)

        assert await asyncio.to_thread(upload) == 2  # the rest follows at the end
    stored = bucket.Object("key")
    assert stored.get()["Body"].read() == data
    assert stored.e_tag.endswith('-3"')  # made of three parts


async def test_a_download_goes_on_where_the_connection_broke(bucket: Any, server: str) -> None:
    data, loop = noise(8), asyncio.get_running_loop()
    bucket.put_object(Key="key", Body=data)
    async with Proxy(server) as proxy:

        def download() -> bytes:
            source = ResumingObject(client_at(proxy.address), BUCKET, "key")
            found = source.read(100_000)
            loop.call_soon_threadsafe(proxy.reset)
            while more := source.read(1 << 20):
                found += more
            source.close()
            return found

        assert await asyncio.to_thread(download) == data


async def test_a_download_of_an_object_that_was_replaced_does_not_go_on(bucket: Any, server: str) -> None:
    loop = asyncio.get_running_loop()
    bucket.put_object(Key="key", Body=noise(8))
    async with Proxy(server) as proxy:

        def download() -> None:
            source = ResumingObject(client_at(proxy.address), BUCKET, "key")
            source.read(100_000)
            bucket.put_object(Key="key", Body=noise(8))
            loop.call_soon_threadsafe(proxy.reset)
            while source.read(1 << 20):
                pass

        with pytest.raises(ClientError, match=r"PreconditionFailed|412"):
            await asyncio.to_thread(download)


def test_parts_grow_so_that_their_number_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    class Client:
        def create_multipart_upload(self, **_: object) -> dict[str, str]:
            return {"UploadId": "1"}

        def upload_part(self, *, Body: bytes, **_: object) -> dict[str, str]:  # noqa: N803  # boto3's name
            sent.append(len(Body))
            return {"ETag": ""}

    upload = Upload(Client(), BUCKET, "key", part_bytes=1)
    while len(sent) < 10_000:
        upload.write(b"x" * 1_000)
    assert sum(sent[:10_000]) * PART_BYTES > 400 << 30
    assert max(sent) <= 11


def test_a_backup_that_fails_leaves_no_object_and_no_upload(bucket: Any) -> None:
    destination = BucketDestination(BUCKET, "")

    def fail() -> None:
        with destination.begin(new_backup_id(datetime.now(UTC))) as new:
            with new.create("small") as sink:
                sink.write(b"x")
            with new.create("large") as sink:
                sink.write(noise(10))
                assert list(bucket.multipart_uploads.all())
                raise CommandFailed("the tool failed")

    with pytest.raises(CommandFailed, match="the tool failed"):
        fail()
    assert not list(bucket.objects.all())
    assert not list(bucket.multipart_uploads.all())


HALF_A_BACKUP = """
import sys
from ops.backup.destinations.bucket import BucketDestination
with BucketDestination(sys.argv[1], "").begin(sys.argv[2]) as new:
    with new.create("small") as sink:
        sink.write(b"x")
    with new.create("large") as sink:
        sink.write(bytes(10 << 20))
        print("half", flush=True)
        sys.stdin.read()
"""


@ON_SQLITE
def test_what_a_killed_backup_leaves_is_not_listed_and_goes_a_day_later(backups: Backups, bucket: Any) -> None:
    recent, old = (new_backup_id(datetime.now(UTC) - timedelta(days=days)) for days in (0, 2))
    for backup_id in (recent, old):
        command = [sys.executable, "-c", HALF_A_BACKUP, BUCKET, backup_id]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"half\n"
            process.kill()
    assert [each.key for each in bucket.objects.all()] == [f"{old}/small", f"{recent}/small"]
    destination = BucketDestination(BUCKET, "")
    assert destination.ids() == []
    create(destination, backups.source)
    assert f"{recent}/small" in [each.key for each in bucket.objects.all()]
    assert not [each.key for each in bucket.objects.all() if old in each.key]
    assert not list(bucket.multipart_uploads.all())  # moto dates all of them 2010


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(CommandFailed) as refused:
        act()
    return str(refused.value)


def test_what_a_bucket_refuses_is_one_line(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = refusal(BucketDestination("no-such-bucket", "x").ids)
    assert missing.startswith("s3://no-such-bucket/x/: the bucket refuses ListObjectsV2: NoSuchBucket: ")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    once = CONFIG.merge(Config(retries={"total_max_attempts": 1}))
    monkeypatch.setattr("ops.backup.destinations.bucket.CONFIG", once)
    assert refusal(BucketDestination(BUCKET, "").ids).startswith("s3://backups/ cannot be used: Could not connect")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WrongSettings, match="there are no credentials: set AWS_ACCESS_KEY_ID"):
        BucketDestination(BUCKET, "").ids()
