"""What the log says about a failing database: what is wrong, the mend, and always the driver's own words."""

import logging
import time

from services.identity.store.faults.codes import Fault
from services.identity.store.faults.diagnosis import NO_RIGHT, Diagnosis, diagnose
from services.identity.store.faults.errors import code_of, fault_of, words_of

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
# A race is run again and counted; a bug goes on to the concern that logs its traceback.
LOGGED = (Fault.GONE, Fault.BUSY, Fault.READ_ONLY, Fault.SCHEMA)


class FailureLog:
    """Logs the failures of one database. An outage is many failures: each kind is logged once in ten seconds."""

    def __init__(self) -> None:
        self._silent_until: dict[tuple[type[BaseException], int | str | None], float] = {}
        self._logged: set[Diagnosis] = set()

    def note(self, error: BaseException) -> None:
        """Log a failure of the store. An error that is none of the store's, or that is run again, is left out."""
        diagnosis, fault = diagnose(error), fault_of(error)
        if fault not in LOGGED and diagnosis is not NO_RIGHT:
            return
        if diagnosis is not None and not diagnosis.is_transient:
            self._note_once(diagnosis, error)
            return
        kind, now = (type(error), code_of(error)), time.monotonic()
        if now < self._silent_until.get(kind, 0.0):
            return
        self._silent_until[kind] = now + SILENT_SECONDS
        if fault is Fault.SCHEMA:
            event = "a statement does not fit the database's schema: look at `trivet db status` (%s)"
            logger.warning(event, words_of(error))
        elif diagnosis is None:
            logger.warning("the database failed: %s", words_of(error))
        else:
            logger.warning("the database failed: %s: %s (%s)", diagnosis.problem, diagnosis.remedy, words_of(error))

    def _note_once(self, diagnosis: Diagnosis, error: BaseException) -> None:
        """Log once what no waiting mends."""
        if diagnosis not in self._logged:
            self._logged.add(diagnosis)
            logger.error(
                "the database of DATABASE_URL cannot be used: %s: %s (%s)",
                diagnosis.problem,
                diagnosis.remedy,
                words_of(error),
            )
