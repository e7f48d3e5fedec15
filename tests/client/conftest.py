"""Our four processes, a page of another origin, and Node: what `make test-client` needs and `make test` does not."""

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Engines
from tests.differential.servers import COMMON
from tests.harness.ports import free_port
from tests.harness.whole import Stores, Whole, whole

HERE = Path(__file__).parent
SECONDS = 60


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and writes no log."""

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the packages of this folder's lock."""
    found = shutil.which("node")
    assert found is not None, "node is not on PATH: make test-client"
    assert (HERE / "node_modules").is_dir(), "the packages are not installed: make test-client"
    return found


def bundle(node: str, source: Path, folder: Path, name: str) -> None:
    """Bundle a page's source with this folder's packages into NAME.html and its script."""
    subprocess.run([node, HERE / "browser/bundle.mjs", source, folder, name], check=True, timeout=SECONDS)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the product's origin serves."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="session")
def page(node: str, pages: Path) -> Iterator[str]:
    """The origin of a product's page, bundled and served: the gateway's host, another port."""
    bundle(node, HERE / "browser/page.jsx", pages, "index")
    handler = functools.partial(Quiet, directory=pages)
    with ThreadingHTTPServer(("127.0.0.1", free_port()), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def site(engine: Engines, page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Our four processes, which trust the page's origin."""
    folder = tmp_path_factory.mktemp("site")
    stores = Stores(f"sqlite:///{folder}/identity.db", engine.get("secantusdb").url, engine.get("valkey").url)
    with whole(stores, **(COMMON | {"TRIVET_TRUSTED_ORIGINS": page})) as running:
        yield running


@pytest.fixture(scope="session")
def own_host(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of four processes of which the base URL is the gateway's own: its pages are trusted."""
    folder = tmp_path_factory.mktemp("own-host")
    mongodb = f"{engine.get('secantusdb').url}/trivet_own_host"
    stores = Stores(f"sqlite:///{folder}/identity.db", mongodb, engine.get("valkey").url)
    given = {name: value for name, value in COMMON.items() if name != "TRIVET_BASE_URL"}
    with whole(stores, **given) as running:
        yield running.url


@pytest.fixture(scope="session")
def gateway(site: Whole) -> str:
    """The gateway's address, on the host that the page is on."""
    return f"http://localhost:{site['gateway'].port}"


def run(node: str, script: str, *arguments: str, seconds: float = SECONDS) -> None:
    """Run a script of this folder to its end; what it has to complain about fails the test."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [node, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
