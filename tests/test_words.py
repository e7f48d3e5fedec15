"""The pages for people are there, and what they name is there too."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.processes import ROOT

PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
QUOTED = re.compile(r"`([\w./*-]+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
MADE = (".data/", ".venv/", "bench/.work", "dist/", "tests/client/node_modules")
"""Folders that exist once something has run."""
SOURCE = re.compile(r"`([\w-]+\.(?:py|js|jsx|lua|proto|toml))`")
"""A file that a page names without its folder."""
EXAMPLES = ("main.py",)
"""Files of the reader's own program."""
UPPER = re.compile(r"\b[A-Z]{3,}\b")
"""A word in capitals stands for any name: `services/SERVICE/policy.py`."""
VARIABLE = re.compile(r"`(TRIVET_[A-Z_]+|MYSQL_[A-Z_]+)`")


def paths_in(text: str) -> Iterator[str]:
    """Yield what is quoted and is a path of the repository: it begins with one of its folders."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for name in QUOTED.findall(text):
        if name.partition("/")[0] in folders and "/" in name and not name.startswith(MADE):
            yield name


def is_there(name: str, beside: Path = ROOT) -> bool:
    return any(beside.glob(UPPER.sub("*", name).rstrip("/")))


def sources() -> set[str]:
    """Return the name of every tracked file, without its folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {Path(line).name for line in listed.splitlines()}


@pytest.mark.parametrize("page", PAGES)
def test_what_the_pages_name_is_there(page: str) -> None:
    """2.11: paths and links lead somewhere."""
    text = (ROOT / page).read_text()
    assert [name for name in paths_in(text) if not is_there(name)] == []
    assert [name for name in SOURCE.findall(text) if name not in {*sources(), *EXAMPLES}] == []
    assert [name for name in LINK.findall(text) if not is_there(name, (ROOT / page).parent)] == []


def test_a_path_that_leads_nowhere_would_be_found() -> None:
    text = "`gateway/app.py` `services/SERVICE/policy.py` `gateway/nowhere.py` `x/y`"
    assert [name for name in paths_in(text) if not is_there(name)] == ["gateway/nowhere.py"]
    assert SOURCE.findall("`gateway/app.py` `flights.py`") == ["flights.py"]
    assert "flights.py" not in sources()


def test_every_variable_that_is_named_is_read_by_something() -> None:
    read = "".join(
        path.read_text()
        for folder in ("runtime", "identity_rules", "services", "gateway", "ops")
        for path in (ROOT / folder).rglob("*.py")
    )
    named = {name for page in PAGES for name in VARIABLE.findall((ROOT / page).read_text())}
    assert len(named) > 5
    assert {name for name in named if f'"{name}"' not in read} == set()
