"""The two servers that are compared, each with the options of a variant."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.differential.normal import SECRET
from tests.differential.site import BASE_URL, Mail
from tests.harness.child_processes import start
from tests.harness.clients import UNLIMITED
from tests.harness.processes import ROOT
from tests.harness.whole import Stores, Whole, whole

ORIGINAL = ROOT / "tests/client/original/server.mjs"

# The original was recorded with its own limits off, in all variants but one.
COMMON = {
    **UNLIMITED,
    "TRIVET_SECRET": SECRET,
    "TRIVET_BASE_URL": BASE_URL,
    "TRIVET_TRUSTED_ORIGINS": "https://app.example.com,https://*.example.org",
    "TRIVET_TRUSTED_PROXIES": "127.0.0.0/8",
    "TRIVET_REFUSE_COMMON_PASSWORDS": "false",
    "TRIVET_HASHING_MEMORY_KIB": "64",
    "TRIVET_OAUTH_GITHUB_CLIENT_ID": "github-id",
    "TRIVET_OAUTH_GITHUB_CLIENT_SECRET": "github-secret",
    "TRIVET_OAUTH_GOOGLE_CLIENT_ID": "google-id",
    "TRIVET_OAUTH_GOOGLE_CLIENT_SECRET": "google-secret",
}

VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "verified": {
        "TRIVET_REQUIRE_EMAIL_VERIFICATION": "true",
        "TRIVET_VERIFY_ON_SIGN_UP": "on",
        "TRIVET_VERIFY_ON_SIGN_IN": "true",
        "TRIVET_AUTO_SIGN_IN_AFTER_VERIFICATION": "true",
        "TRIVET_DELETE_USER": "mail",
    },
    "quiet": {
        "TRIVET_AUTO_SIGN_IN": "false",
        "TRIVET_CHANGE_EMAIL": "off",
        "TRIVET_DELETE_USER": "off",
        "TRIVET_PASSWORD_RESET": "off",
    },
    "compact": {"TRIVET_COOKIE_CACHE": "compact"},
    "jwt": {
        "TRIVET_COOKIE_CACHE": "jwt",
        "TRIVET_USER_FIELDS": (
            '{"company":{"type":"string"},"seats":{"type":"number"},"newsletter":{"type":"boolean"},'
            '"tier":{"type":"string","input":false,"defaultValue":"free"}}'
        ),
        "TRIVET_SESSION_FIELDS": '{"theme":{"type":"string"}}',
    },
    "limited": {"TRIVET_RATE_LIMIT": "on"},
}
"""Our settings for the options that `original/server.mjs` has under the same name."""


@dataclass(frozen=True)
class Server:
    """Where a server is, and how to read the mail that it would have sent, newest first."""

    url: str
    mailbox: Callable[[], list[Mail]]

    def client(self) -> httpx.Client:
        """Return a client that adds no header of its own that a server might look at."""
        client = httpx.Client(base_url=self.url, timeout=20)
        client.headers.clear()
        return client


@contextmanager
def original(variant: str, database_url: str) -> Iterator[Server]:
    """Run the npm server on an empty database. Node and `npm ci` in tests/client must be there."""
    node = shutil.which("node")
    assert node is not None, "node is not on PATH: make test-client"
    command = [node, str(ORIGINAL), re.sub("^mariadb:", "mysql:", database_url), variant, BASE_URL, SECRET]
    environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production"}
    with (
        tempfile.TemporaryFile("w+") as log,  # it writes a stack for whatever it refuses
        start(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            said = process.stdout.readline().split()
            if said[:1] != ["ready"]:
                log.seek(0)
                raise RuntimeError(f"the original did not start:\n{log.read()[-4000:]}")
            url = f"http://127.0.0.1:{said[1]}"

            def mailbox() -> list[Mail]:
                return [Mail(kept["to"], kept["url"]) for kept in httpx.get(f"{url}/__mail").json()]

            yield Server(url, mailbox)
        finally:
            process.terminate()


@contextmanager
def shared(folder: Path, mongodb: str, redis: str) -> Iterator[Whole]:
    """Run the two services that have no variants."""
    with whole(Stores(f"sqlite:///{folder}/unused.db", mongodb, redis), "notifications", "cache") as running:
        yield running


@contextmanager
def ours(variant: str, folder: Path, behind: Whole, redis: str) -> Iterator[Server]:
    """Run identity on an empty database, and a gateway, before notifications and cache."""
    stores = Stores(f"sqlite:///{folder}/{variant}.db", "", redis)
    addresses = {f"TRIVET_{name.upper()}_ADDRESS": process.address for name, process in behind.processes.items()}
    with whole(stores, "identity", "gateway", **addresses, **(COMMON | VARIANTS[variant])) as running:

        def mailbox() -> list[Mail]:
            messages = httpx.get(f"{running.url}/dev/mailbox").json()["messages"]
            return [
                Mail(message["to"], link)
                for message in messages
                for link in message["links"]
                if link.startswith(f"{BASE_URL}/api/auth/")
            ]

        yield Server(running.url, mailbox)
