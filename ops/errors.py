"""Errors that end a `trivet` command with one line for the operator, without a traceback."""

WRONG = 2
"""The exit status for wrong usage or settings. Other failures exit with 1."""


class CommandFailed(Exception):
    """The message says what is wrong and what to do. It is one line; further lines hold a list."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class WrongSettings(CommandFailed):
    """The usage or the settings are wrong. A retry cannot succeed without a change."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=WRONG)
