"""Work on a store that may not answer yet, with what its failures mean to the operator."""

import time
from collections.abc import Callable
from typing import TypeVar

from ops.errors import CommandFailed, WrongSettings
from ops.output import note

T = TypeVar("T")
RETRY_SECONDS = 0.5


def once_it_answers(store: str, work: Callable[[], T], *, locked: type[Exception], wait: bool) -> T:
    """Do the work; with `wait`, try again until the store answers. Raises CommandFailed with advice for the operator.

    `store` is its name for people. `locked` is raised while another migration runs; its text names the holder.
    """
    said = ""
    while True:
        try:
            return work()
        except locked as error:
            raise CommandFailed(
                f"another migration has been under way for over a minute, by {error}: try again when it ends"
            ) from None
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        except WrongSettings:  # waiting does not help
            raise
        except CommandFailed as refusal:
            if not wait:
                raise
            if str(refusal) != said:
                said = str(refusal)
                note(f"waiting for {store} to answer: {said}")
        time.sleep(RETRY_SECONDS)
