"""What the log says about a failing database: what is wrong, the mend, and always the driver's own words."""

import logging
import time

from services.identity.store.faults.codes import Fault
from services.identity.store.faults.diagnosis import NO_RIGHT, Trouble, trouble_of
from services.identity.store.faults.errors import code_of, fault_of, words_of

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
# A race is run again and counted; a bug goes on to the concern that logs its traceback.
LOGGED = (Fault.GONE, Fault.BUSY, Fault.READ_ONLY, Fault.SCHEMA)


class FailureLog:
    """Logs the failures of one database. An outage is many failures: each kind is logged once in ten seconds."""

    def __init__(self) -> None:
        self._silent_until: dict[tuple[type[BaseException], int | str | None], float] = {}
        self._told: set[Trouble] = set()

    def note(self, error: BaseException) -> None:
        """Log a failure of the store. An error that is none of the store's, or that is run again, is left out."""
        trouble, fault = trouble_of(error), fault_of(error)
        if fault not in LOGGED and trouble is not NO_RIGHT:
            return
        if trouble is not None and not trouble.passes:
            self._note_once(trouble, error)
            return
        kind, now = (type(error), code_of(error)), time.monotonic()
        if now < self._silent_until.get(kind, 0.0):
            return
        self._silent_until[kind] = now + SILENT_SECONDS
        if fault is Fault.SCHEMA:
            event = "a statement does not fit the database's schema: look at `trivet db status` (%s)"
            logger.warning(event, words_of(error))
        elif trouble is None:
            logger.warning("the database failed: %s", words_of(error))
        else:
            logger.warning("the database failed: %s: %s (%s)", trouble.what, trouble.mend, words_of(error))

    def _note_once(self, trouble: Trouble, error: BaseException) -> None:
        """Log once what no waiting mends."""
        if trouble not in self._told:
            self._told.add(trouble)
            logger.error(
                "the database of DATABASE_URL cannot be used: %s: %s (%s)", trouble.what, trouble.mend, words_of(error)
            )
