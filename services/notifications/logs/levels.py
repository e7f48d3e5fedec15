"""The levels of log entries."""

from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
