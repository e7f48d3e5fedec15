"""Logs an outage with two lines: one when it begins, and one when it is over."""

from logging import Logger


class Outage:
    """An outage of a dependency. `begun` and `over` are the texts of the two log lines."""

    def __init__(self, logger: Logger, begun: str, over: str) -> None:
        self._logger = logger
        self._begun = begun
        self._over = over
        self._lasts = False

    def begin(self, *values: object) -> None:
        """Log a failure, unless the outage is logged already."""
        if not self._lasts:
            self._lasts = True
            self._logger.warning(self._begun, *values)

    def end(self, *values: object) -> None:
        """Log the end of the outage, if one was logged."""
        if self._lasts:
            self._lasts = False
            self._logger.info(self._over, *values)
