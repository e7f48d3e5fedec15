"""The worker that sends due mail. Each process runs one."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import Counter, Gauge

from runtime import failpoints
from runtime.background.backoff import RetryPolicy
from runtime.background.tasks import Tasks
from runtime.clock import Clock, utc_now
from runtime.errors import Unavailable
from runtime.sealing import BrokenSealError
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.delivery.email.smtp import Mailer, OutgoingMail
from services.notifications.delivery.email.smtp_replies import (
    PermanentFailureError,
    SenderRejectedError,
    TransientFailureError,
)
from services.notifications.delivery.queue import Claim, Queue

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
MEASURE_SECONDS = 10.0
MARK_RETRY_SECONDS = 0.25
LOG_INTERVAL_SECONDS = 600.0
MAX_HOLD = timedelta(days=5)
"""How long a mail waits while the server rejects this installation. RFC 5321 (4.5.4.1) gives up after 4 to 5 days."""

sent = Counter("trivet_mails_sent_total", "Mails that the mail server accepted.")
failed = Counter("trivet_mails_failed_total", "Mails that will not be sent: rejected permanently, or out of attempts.")
retried = Counter("trivet_mails_retried_total", "Attempts after which a mail was rescheduled.")
sender_rejected = Gauge(
    "trivet_mail_sender_refused",
    "1 while the mail server rejects this installation's sender, host or login, else 0.",
)
queue_length = Gauge("trivet_mail_queue_length", "Mails that wait to be sent, up to 10,000.")
queue_age = Gauge("trivet_mail_queue_oldest_seconds", "How long the oldest waiting mail has waited.")


class DeliveryWorker:
    """Claims due mails, `at_once` at a time, and sends them.

    Delivery is at least once. If a worker dies after the server accepted a mail and before the mark is stored, the mail
    is sent again when the lease ends. An attempt is counted when a mail is claimed. So the attempts of a mail that
    kills its worker run out too.

    While the server rejects this installation, all mail waits and no attempt is counted. After a pause, which grows,
    the worker tries a single mail.
    """

    def __init__(
        self,
        queue: Queue,
        sealed_mail: SealedMail,
        mailer: Mailer,
        retry_policy: RetryPolicy,
        *,
        at_once: int = 4,
        clock: Clock = utc_now,
    ) -> None:
        self._queue = queue
        self._sealed_mail = sealed_mail
        self._mailer = mailer
        self._retry_policy = retry_policy
        self._at_once = at_once
        self._clock = clock
        self._tasks = Tasks("mail", limit=at_once)
        self._woken = asyncio.Event()
        self._stopping = False
        self._measured_at = -MEASURE_SECONDS
        self._last_problem = ""
        self._rejections = 0
        self._paused_until = 0.0
        self._logged_at = -LOG_INTERVAL_SECONDS

    def wake(self) -> None:
        """Look for due mail now instead of at the next interval."""
        self._woken.set()

    @asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """Send inside the block. At its end, no mail is claimed, and running sends have `grace` seconds to finish."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            self._stopping = True
            self.wake()
            await work
            await self._tasks.drain(grace)

    async def _work(self) -> None:
        logged = ""
        while not self._stopping:
            self._woken.clear()
            try:
                await self._measure()
                if self._has_room() and await self._start_one():
                    continue
            except Unavailable:
                logger.debug("cannot read the mail queue: MongoDB is unreachable")
            except Exception as error:  # whatever fails, the worker continues
                if logged != (logged := f"{type(error).__name__}: {error}"):  # log a lasting failure once
                    logger.exception("cannot claim due mail")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()

    def _has_room(self) -> bool:
        """Return whether a mail can be sent now: one after each pause while the server rejects this installation."""
        if self._rejections and time.monotonic() < self._paused_until:
            return False
        return len(self._tasks) < (1 if self._rejections else self._at_once)

    async def _start_one(self) -> bool:
        claim = await self._queue.claim()
        if claim is None:
            return False
        task = self._tasks.start(self._deliver(claim))
        task.add_done_callback(lambda _: self.wake())
        return True

    async def _deliver(self, claim: Claim) -> None:
        try:
            await self._send(claim)
        except PermanentFailureError as error:
            await self._give_up(claim, str(error))
        except SenderRejectedError as error:
            await self._hold(claim, error)
        except TransientFailureError as error:
            await self._try_later(claim, str(error))
        except BrokenSealError:
            # An operator can add the key again.
            await self._try_later(claim, "the mail was sealed under a key that is not in TRIVET_SEAL_KEYS: add the key")
        except Exception as error:  # whatever fails, the mail is retried
            logger.exception("cannot send a mail")
            await self._try_later(claim, f"unexpected error: {type(error).__name__}")

    async def _send(self, claim: Claim) -> None:
        if claim.attempts > self._retry_policy.attempts:
            raise PermanentFailureError("the worker stopped during the last attempt")
        email = self._sealed_mail.open(claim.mail, claim.notification_id)
        await failpoints.reach("notifications.before_send")
        await self._mailer.send(OutgoingMail(email, claim.notification_id, claim.created_at))
        await failpoints.reach("notifications.after_send")
        self._clear_problem()
        sent.inc()
        await self._mark(claim, lambda: self._queue.mark_sent(claim))

    def _clear_problem(self) -> None:
        if self._last_problem:
            logger.info("the mail server accepts mail again")
        self._last_problem, self._rejections, self._logged_at = "", 0, -LOG_INTERVAL_SECONDS
        sender_rejected.set(0)

    async def _hold(self, claim: Claim, error: SenderRejectedError) -> None:
        """Reschedule a mail without counting the attempt. Pause all mail if the server rejects this installation."""
        age, now = self._clock() - claim.created_at, time.monotonic()
        if age >= MAX_HOLD:
            await self._give_up(claim, str(error))
            return
        if error.is_for_all and now >= self._paused_until:  # concurrent rejections count as one
            self._rejections += 1
            self._paused_until = now + self._retry_policy.pause(self._rejections).total_seconds()
            sender_rejected.set(1)
        if self._last_problem != str(error) or now - self._logged_at >= LOG_INTERVAL_SECONDS:
            effect = "all mail waits" if error.is_for_all else "this mail waits"
            mend = "check TRIVET_MAIL_FROM, TRIVET_SMTP_URL, and the SPF, DKIM and relay rules for this host"
            reply = f"; the server says: {error.reply_text}" if error.reply_text else ""
            logger.error("%s: %s: %s%s", effect, error, mend, reply)
            self._last_problem, self._logged_at = str(error), now
        retried.inc()
        pause = self._retry_policy.pause_at(age)
        await self._mark(claim, lambda: self._queue.reschedule(claim, pause, str(error), is_counted=False))

    async def _try_later(self, claim: Claim, why: str) -> None:
        if claim.attempts >= self._retry_policy.attempts:
            await self._give_up(claim, why)
            return
        if self._last_problem != why:  # log a reason once for all mails
            logger.warning("a mail is rescheduled: %s", why)
            self._last_problem = why
        retried.inc()
        pause = self._retry_policy.pause(claim.attempts)
        await self._mark(claim, lambda: self._queue.reschedule(claim, pause, why))

    async def _give_up(self, claim: Claim, why: str) -> None:
        logger.error(
            "a mail is given up after %d attempts: notification %s: %s", claim.attempts, claim.notification_id, why
        )
        failed.inc()
        await self._mark(claim, lambda: self._queue.mark_failed(claim, why))

    async def _mark(self, claim: Claim, mark: Callable[[], Awaitable[bool]]) -> None:
        """Store the outcome of an attempt. Retry while the lease keeps other workers from the mail."""
        while self._clock() < claim.lease_until:
            try:
                if not await mark():
                    logger.warning(
                        "a mail was erased, or claimed by another worker, while it was sent: notification %s",
                        claim.notification_id,
                    )
                return
            except Unavailable:
                await asyncio.sleep(MARK_RETRY_SECONDS)
        logger.error(
            "cannot store the outcome of a mail before its lease ends, so it is retried: notification %s",
            claim.notification_id,
        )

    async def _measure(self) -> None:
        if time.monotonic() - self._measured_at < MEASURE_SECONDS:
            return
        self._measured_at = time.monotonic()
        depth = await self._queue.depth()
        queue_length.set(depth.count)
        queue_age.set((self._clock() - depth.oldest).total_seconds() if depth.oldest else 0)
