"""Backups in an S3-compatible bucket: an object for each file, and the manifest as the last one.

Files are uploaded in parts as they are made, so no file is ever whole on this machine. A part is kept in memory until
the bucket has it, and sent again after a broken connection.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ops.backup.destinations.resuming import ResumingObject
from ops.backup.destinations.uploading import Upload
from ops.backup.manifest import BACKUP_ID, FILE, Manifest, time_of
from ops.backup.streams import Sink, Source
from ops.errors import CommandFailed, WrongSettings
from runtime.clock import utc_now

CONFIG = Config(
    retries={"total_max_attempts": 8, "mode": "standard"},
    connect_timeout=10,
    read_timeout=60,
    # Other makers' buckets do not all know the checksums that Amazon's does by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
"""A request is tried again for some minute: after a broken connection, a refusal for the moment, an error of theirs."""
ABANDONED_AFTER = timedelta(days=1)
"""A backup without a manifest that was begun so long ago is not being made any more."""
BATCH = 1_000
"""The most objects that one request deletes."""


class BucketDestination:
    """A bucket, or the part of it below a prefix. boto3 reads endpoint, region and credentials from AWS_ variables."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._name = f"s3://{bucket}/{self._prefix}"
        with self._explained():
            self._client: Any = boto3.session.Session().client("s3", config=CONFIG)

    def ids(self) -> Sequence[str]:
        with self._explained():
            return sorted(backup_id for backup_id, files in self._found().items() if FILE in files)

    def manifest(self, backup_id: str) -> Manifest:
        with self.open(backup_id, FILE) as source:
            return Manifest.decode(source.read(), f"{self._name}{backup_id}/{FILE}")

    @contextmanager
    def begin(self, backup_id: str) -> Iterator["NewObjects"]:
        with self._explained():
            self._remove_abandoned()
            new = NewObjects(self._client, self._bucket, f"{self._prefix}{backup_id}/")
            try:
                yield new
            finally:
                if not new.is_whole:
                    # The bucket may be what failed. The next backup of another day removes what stays.
                    with suppress(BotoCoreError, ClientError, CommandFailed):
                        self.delete(backup_id)

    @contextmanager
    def open(self, backup_id: str, file: str) -> Iterator[Source]:
        with self._explained():
            try:
                source = ResumingObject(self._client, self._bucket, f"{self._prefix}{backup_id}/{file}")
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                    where = f"{self._name}{backup_id}/{file}"
                    raise CommandFailed(f"{where} is missing: the backup was damaged after it was written") from None
                raise
            try:
                yield source
            finally:
                source.close()

    def delete(self, backup_id: str) -> None:
        with self._explained():
            files = self._found().get(backup_id, set())
            if FILE in files:  # first, so that a backup that is deleted by half is not listed
                self._delete({f"{self._prefix}{backup_id}/{FILE}"})
            self._delete({f"{self._prefix}{backup_id}/{file}" for file in files - {FILE}})

    def _found(self) -> dict[str, set[str]]:
        """Return the files of each backup, also of those that are not whole."""
        found: dict[str, set[str]] = {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for each in (each for page in pages for each in page.get("Contents", ())):
            backup_id, _, file = each["Key"].removeprefix(self._prefix).partition("/")
            if BACKUP_ID.fullmatch(backup_id):
                found.setdefault(backup_id, set()).add(file)
        return found

    def _delete(self, keys: set[str]) -> None:
        ordered = sorted(keys)
        for first in range(0, len(ordered), BATCH):
            objects = [{"Key": key} for key in ordered[first : first + BATCH]]
            self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})

    def _remove_abandoned(self) -> None:
        """Remove what killed backups have left: objects without a manifest, and uploads that did not end."""
        before = utc_now() - ABANDONED_AFTER
        for backup_id, files in self._found().items():
            if FILE not in files and time_of(backup_id) < before:
                self.delete(backup_id)
        uploads = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix).get("Uploads", ())
        for upload in uploads:
            if upload["Initiated"] < before:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn boto3's errors into one line."""
        try:
            yield
        except NoCredentialsError:
            raise WrongSettings(
                f"{self._name}: there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "give this machine a role"
            ) from None
        except ClientError as error:
            said = error.response["Error"]
            raise CommandFailed(
                f"{self._name}: the bucket refuses {error.operation_name}: {said.get('Code')}: {said.get('Message')}"
            ) from None
        except (BotoCoreError, ValueError) as error:
            raise CommandFailed(f"{self._name} cannot be used: {error}") from None


class NewObjects:
    """A backup that is being written: its objects are there, and not its manifest."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self.is_whole = False

    @contextmanager
    def create(self, file: str) -> Iterator[Sink]:
        with Upload(self._client, self._bucket, f"{self._prefix}{file}") as upload:
            yield upload

    def finish(self, manifest: Manifest) -> None:
        self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}{FILE}", Body=manifest.encode())
        self.is_whole = True
