"""The pages for people are there, and what they name is there too."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import errors
from runtime.errors import ServiceError
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
ANCHORED = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
MADE = (".data/", ".venv/", "bench/.work", "deploy/env", "dist/", "tests/client/node_modules")
"""Folders that exist once something has run."""
SOURCE = re.compile(r"`([\w-]+\.(?:py|js|jsx|lua|proto|toml))`")
"""A file that a page names without its folder."""
EXAMPLES = ("main.py", "billing.py", "prices.py")
"""Files of the reader's own program."""
UPPER = re.compile(r"\b[A-Z]{3,}\b")
"""A word in capitals stands for any name: `services/SERVICE/policy.py`."""
VARIABLE = re.compile(r"`(TRIVET_[A-Z_]+|MYSQL_[A-Z_]+)`")


def paths_in(text: str) -> Iterator[str]:
    """Yield what is quoted and is a path of the repository: it begins with one of its folders."""
    folders = {path.name for root in (ROOT, ROOT / "protos") for path in root.iterdir() if path.is_dir()}
    for name in QUOTED.findall(text):
        if name.partition("/")[0] in folders and "/" in name and not name.startswith(MADE):
            yield name


def is_there(name: str, beside: Path = ROOT) -> bool:
    """Whether a path exists beside a page, or in `protos`, where Python finds the package `trivet`."""
    pattern = UPPER.sub("*", name).rstrip("/")
    return any(found for root in (beside, ROOT / "protos") for found in root.glob(pattern))


def sources() -> set[str]:
    """Return the name of every tracked file, without its folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {Path(line).name for line in listed.splitlines()}


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as a Markdown reader makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_heading_leads_to_one(page: str) -> None:
    text = (ROOT / page).read_text()
    for name, anchor in ANCHORED.findall(text):
        target = ((ROOT / page).parent / name) if name else ROOT / page
        assert anchor in anchors(target.read_text()), f"{name}#{anchor}"


def test_an_anchor_is_made_as_readers_make_it() -> None:
    assert anchors("# A\n## What's `served`, and why\n") == {"a", "whats-served-and-why"}


def test_the_figures_of_readme_stand_in_docs_performance() -> None:
    table = (ROOT / "README.md").read_text().split("| figure | measured |")[1].split("\n\n")[0]
    figures = re.findall(r"\| ([\d,.]+) \|$", table, re.MULTILINE)
    assert len(figures) > 5
    measured = (ROOT / "docs/performance.md").read_text()
    assert [each for each in figures if not re.search(rf"\| {re.escape(each)}[ (|]", measured)] == []


def test_docs_services_lists_every_reason_that_a_service_answers_with() -> None:
    page = (ROOT / "docs/services.md").read_text()
    assert [each for each in sorted(reasons()) if f"`{each}`" not in page] == []


def reasons() -> set[str]:
    """Return the reasons that are written where an error of runtime/errors.py is made; FAILPOINT is for tests alone."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ServiceError)}
    found = set()
    for folder in ("runtime", "identity_rules", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in kinds:
                    first = node.args[0]
                    found |= {first.value} if isinstance(first, ast.Constant) else set()
    return {str(reason) for reason in found - {"FAILPOINT"}}


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


COMMENTS: dict[str, str] = json.loads((ROOT / "protos" / "comments.json").read_text())
BANNED = re.compile(
    r"\b(?:whoever|whatever|nobody|somebody|anybody|everybody|anew|of whom|so many|(?:is|are|be) told|may|by itself"
    r"|one of ours|by which way|not said|takes no more)\b",
    re.IGNORECASE,
)
NO_SUBJECT = re.compile(r"(?:Whose|Whom|Who|What|Which|How|When|Where|Why)\b")
"""A comment that begins so leaves out its noun."""
LONGEST = 25
"""Words of a sentence, without code and what is in parentheses."""


def faults_of(comment: str) -> list[str]:
    """Return what a comment of the published API must not hold."""
    faults = [found[0] for found in BANNED.finditer(comment)]
    if NO_SUBJECT.match(comment) or not comment.endswith("."):
        faults.append(comment)
    plain = re.sub(r"`[^`]*`", "code", re.sub(r" ?\([^()]*\)", "", comment))
    sentences = (each for each in re.split(r"(?<=\.) ", plain) if not each.startswith("Fails "))
    return faults + [each for each in sentences if len(each.split()) > LONGEST]


def test_comments_of_protos_are_plain_sentences() -> None:
    """Issue 11, section 3: the published API is readable without the code."""
    titles = {path.name: path.read_text().partition("\n")[0] for path in (ROOT / "protos/trivet").rglob("*.proto")}
    said = COMMENTS | {name: title.removeprefix("// ") for name, title in titles.items()}
    assert len(COMMENTS) > 500
    assert len(titles) > 15
    assert {name: faults for name, comment in said.items() if (faults := faults_of(comment))} == {}


@pytest.mark.parametrize(
    "comment", ["Whose.", "Nobody is told.", "It may fail.", "Without a period", f"Very{' very' * LONGEST} long."]
)
def test_a_comment_that_is_not_plain_would_be_found(comment: str) -> None:
    assert faults_of(comment)
