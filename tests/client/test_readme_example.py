"""README's React example, as it stands there, in Chromium on a page of another origin."""

import re
from pathlib import Path

from tests.client.conftest import bundle, run
from tests.harness.processes import ROOT
from tests.harness.stores.engines import find

BASE_URL = "http://localhost:8080"
MOST_LINES = 40


def example() -> str:
    """Return the one block of JSX in README."""
    (found,) = re.findall(r"^```jsx\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_of_readme_signs_up_out_and_in(
    node: str, gateway: str, page: str, pages: Path, tmp_path: Path
) -> None:
    source = example()
    assert source.count(BASE_URL) == 1
    assert source.count("\n") <= MOST_LINES
    (tmp_path / "app.jsx").write_text(source.replace(BASE_URL, gateway))
    bundle(node, tmp_path / "app.jsx", pages, "readme")
    run(node, "browser/readme.mjs", f"{page}/readme.html", find("chromium"), str(tmp_path / "profile"))
