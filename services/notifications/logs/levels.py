"""How much a log entry matters."""

from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
