"""Log lines about what fails again and again: one when it begins, one when it is over."""

from logging import Logger


class Outage:
    """Something that fails for a while. `begun` and `over` are the texts of its two lines."""

    def __init__(self, logger: Logger, begun: str, over: str) -> None:
        self._logger = logger
        self._begun = begun
        self._over = over
        self._lasts = False

    def begin(self, *values: object) -> None:
        """Log the failure, unless it has been logged since it last worked."""
        if not self._lasts:
            self._lasts = True
            self._logger.warning(self._begun, *values)

    def end(self, *values: object) -> None:
        """Log that it works again, if it had failed."""
        if self._lasts:
            self._lasts = False
            self._logger.info(self._over, *values)
