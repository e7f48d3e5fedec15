"""What the log says about a failing database: always the driver's own words."""

import logging
import time

from services.identity.store_codes import Fault
from services.identity.store_errors import code_of, fault_of, is_wrong_credentials, words_of

logger = logging.getLogger(__name__)
SILENT_SECONDS = 10.0
# A race is run again and counted; a bug goes on to the concern that logs its traceback.
LOGGED = (Fault.GONE, Fault.BUSY, Fault.READ_ONLY)
MENDS = {Fault.READ_ONLY: "; this server is read-only: DATABASE_URL must lead to the primary"}


class FailureLog:
    """Logs the failures of one database. An outage is many failures: each kind is logged once in ten seconds."""

    def __init__(self) -> None:
        self._silent_until: dict[tuple[type[BaseException], int | str | None], float] = {}
        self._told_of_refusal = False

    def note(self, error: BaseException) -> None:
        """Log a failure of the store. An error that is none of the store's, or that is run again, is left out."""
        fault = fault_of(error)
        if fault not in LOGGED:
            return
        if is_wrong_credentials(error):
            self._refused(error)
            return
        kind, now = (type(error), code_of(error)), time.monotonic()
        if now < self._silent_until.get(kind, 0.0):
            return
        self._silent_until[kind] = now + SILENT_SECONDS
        logger.warning("the database failed: %s%s", words_of(error), MENDS.get(fault, ""))

    def _refused(self, error: BaseException) -> None:
        """Log once what no waiting mends: a server that is there and does not know us."""
        if not self._told_of_refusal:
            self._told_of_refusal = True
            logger.error(
                "the database refuses DATABASE_URL: wrong user, password or database name (%s): %s",
                code_of(error),
                words_of(error),
            )
