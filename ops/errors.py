"""What the `trivet` command refuses or fails at: one clear line for the operator, never a traceback."""

WRONG = 2
"""The exit status for wrong usage or settings; anything else that fails is 1."""


class Refused(Exception):
    """One line that names what is wrong and the mend. Further lines hold a list."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class WrongSettings(Refused):
    """What the operator wrote can never work."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=WRONG)
