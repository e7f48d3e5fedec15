"""A place where a process waits until the test lets it go on."""

from pathlib import Path


class Gate:
    """What a failpoint of the action `pause` waits at. It is shut until it is opened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gate"
        self._reached = folder / "gate.reached"

    def shut(self) -> None:
        self.path.unlink(missing_ok=True)
        self._reached.unlink(missing_ok=True)

    def open(self) -> None:
        self.path.touch()

    def is_reached(self) -> bool:
        return self._reached.exists()
