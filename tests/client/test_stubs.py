"""docs/services.md: the commands and programs that it shows, in a clone, for each language whose compiler is here."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ops.keys.pair_keys import pair_key
from tests.harness.processes import ROOT, SECRET
from tests.harness.whole import Whole
from trivet.client import Signer, acting_for

PAGE = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
BUF = Path(sys.executable).parent / "buf"
EMAIL = "stubs@example.com"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>app</groupId><artifactId>app</artifactId><version>1</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
{dependencies}</project>
"""
SECONDS = 540  # compilers and registries, on a busy machine


def block(language: str, holding: str = "") -> str:
    """Return the one code block of a language that holds a text."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = (code for code in blocks if holding in code)
    return found


def compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on PATH")
    return found


def run(command: str, folder: Path, path: Path) -> str:
    """Run a command of the page in a folder, with another folder first on PATH; return what it prints."""
    environment = {**os.environ, "PATH": f"{path}:{BUF.parent}:{os.environ['PATH']}", "GOBIN": str(path)}
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


pytestmark = pytest.mark.timeout(SECONDS)


class Workshop:
    """A clone with the .venv of this one, and beside it a program's folder and the plugins' folder."""

    def __init__(self, folder: Path) -> None:
        self.app, self.plugins, clone = folder / "app", folder / "plugins", folder / "clone"
        self.app.mkdir()
        self.plugins.mkdir()
        run(f"git clone -q {ROOT} {clone}", folder, self.plugins)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        run("make --old-file=.venv/.for-dev third-party", clone, self.plugins)
        self.protos = clone / "protos"

    def generate(self, language: str) -> None:
        """Generate the stubs as the page says."""
        (command,) = (line for line in block("sh", "buf generate").splitlines() if f".{language}." in line)
        run(command, self.protos, self.plugins)

    def run(self, command: str) -> str:
        return run(command, self.app, self.plugins)

    def write(self, name: str, text: str) -> None:
        (self.app / name).parent.mkdir(parents=True, exist_ok=True)
        (self.app / name).write_text(text, encoding="utf-8")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="module")
def user_id(site: Whole) -> str:
    body = {"name": "Stub", "email": EMAIL, "password": "correct horse battery"}
    user = httpx.post(f"{site.url}/api/auth/sign-up/email", json=body, timeout=10).json()["user"]
    return str(user["id"])


@pytest.fixture
def arguments(site: Whole, user_id: str) -> Callable[[], str]:
    """What the page's programs take: an address, a claim, and a user's id. A claim lives for a minute."""
    signer = Signer("gateway", {"identity": pair_key(SECRET, "gateway", "identity")})

    def now() -> str:
        with acting_for(user_id, "user"):
            return f"{site['identity'].address} {signer('identity')} {user_id}"

    return now


def test_the_go_stubs_compile_and_call(workshop: Workshop, arguments: Callable[[], str]) -> None:
    compiler("go")
    workshop.run(block("sh", "go install"))
    workshop.generate("go")
    workshop.write("main.go", block("go"))
    workshop.run("go mod init example.com/app && go mod tidy && go build -o program .")
    assert workshop.run(f"./program {arguments()}") == f"{EMAIL}\n"


def test_the_typescript_stubs_compile_and_call(workshop: Workshop, arguments: Callable[[], str]) -> None:
    compiler("npm")
    workshop.write("package.json", block("json"))
    workshop.run("npm install --silent --no-audit --no-fund --ignore-scripts")
    (workshop.plugins / "protoc-gen-es").symlink_to(workshop.app / "node_modules/.bin/protoc-gen-es")
    workshop.generate("typescript")
    workshop.write("main.ts", block("ts"))
    workshop.run("npx tsc --strict --target es2022 --module nodenext --outDir out main.ts")
    assert workshop.run(f"node out/main.js {arguments()}") == f"{EMAIL}\n"


def test_the_java_stubs_compile_and_call(workshop: Workshop, arguments: Callable[[], str]) -> None:
    compiler("javac")
    compiler("mvn")
    for command in block("sh", "mvn dependency:copy").splitlines():
        workshop.run(command.replace("mvn ", "mvn -q -B "))
    for name in ("protoc", "protoc-gen-grpc-java"):
        (tool,) = (workshop.app / "tools").glob(f"{name}-[0-9]*")
        tool.chmod(0o755)
        (workshop.plugins / name).symlink_to(tool)
    workshop.generate("java")
    workshop.write("src/main/java/app/Main.java", block("java"))
    workshop.write("pom.xml", POM.format(dependencies=block("xml")))
    workshop.run("mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath")
    assert workshop.run(f"java -cp target/classes:$(cat classpath) app.Main {arguments()}") == f"{EMAIL}\n"
