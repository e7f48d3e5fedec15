"""Logs database failures: the problem, the remedy, and the driver's message."""

import logging
import time

from services.identity.store.faults.codes import Fault
from services.identity.store.faults.diagnosis import NO_RIGHT, Diagnosis, diagnose
from services.identity.store.faults.errors import code_of, fault_of, words_of

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
# A race is retried and counted. An interceptor logs a bug with its traceback.
LOGGED = (Fault.GONE, Fault.BUSY, Fault.READ_ONLY, Fault.SCHEMA)


class FailureLog:
    """Logs the failures of one database. An outage causes many failures, so each kind is logged once in 10 seconds."""

    def __init__(self) -> None:
        self._silent_until: dict[tuple[type[BaseException], int | str | None], float] = {}
        self._logged: set[Diagnosis] = set()

    def note(self, error: BaseException) -> None:
        """Log a failure of the database. Ignores other errors, and errors that are retried."""
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
            event = "a statement does not fit the database's schema: run `trivet db status` (%s)"
            logger.warning(event, words_of(error))
        elif diagnosis is None:
            logger.warning("the database failed: %s", words_of(error))
        else:
            logger.warning("the database failed: %s: %s (%s)", diagnosis.problem, diagnosis.remedy, words_of(error))

    def _note_once(self, diagnosis: Diagnosis, error: BaseException) -> None:
        """Log a permanent problem once."""
        if diagnosis not in self._logged:
            self._logged.add(diagnosis)
            logger.error(
                "the database of DATABASE_URL cannot be used: %s: %s (%s)",
                diagnosis.problem,
                diagnosis.remedy,
                words_of(error),
            )
