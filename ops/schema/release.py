"""The release that this code is, or becomes."""

import tomllib

from ops import ROOT


def this_release() -> str:
    """Return the version in pyproject.toml."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version
