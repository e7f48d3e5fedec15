"""Notification preferences of users, by topic and channel."""

import re
from dataclasses import dataclass
from functools import partial

from pymongo.errors import DuplicateKeyError

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition, InvalidArgument
from services.notifications.inbox.cache_invalidation import NO_CACHE, Invalidation, preferences_tag
from services.notifications.inbox.collections import PREFERENCES
from services.notifications.inbox.draft import Channel, check_user_id
from services.notifications.store.mongo import Document, Store
from services.notifications.store.tombstones import Tombstones

MAX_PREFERENCES = 200
# Over HTTP the topic ends the path, and a browser removes a last segment of one or two dots.
PREFERENCE_TOPIC = re.compile(r"(?!\.{1,2}\Z)[a-z0-9._-]{1,64}")
ALWAYS_ENABLED = "account."
"""Topics with this prefix warn about changes of the account. A stolen session must not be able to disable them."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Whether a user wants notifications of a topic and channel. Without a preference, they are enabled."""

    user_id: str
    topic: str
    channel: Channel
    enabled: bool


class Preferences:
    """The collection: a document per user, topic and channel, kept until the user is erased.

    Each write invalidates the cached preferences. Every method raises Unavailable if the store is unreachable.
    """

    def __init__(
        self, store: Store, tombstones: Tombstones, *, invalidation: Invalidation = NO_CACHE, clock: Clock = utc_now
    ) -> None:
        self._store = store
        self._rows = store.collection(PREFERENCES)
        self._tombstones = tombstones
        self._invalidation = invalidation
        self._clock = clock

    async def list_of(self, user_id: str) -> list[Preference]:
        """Return the user's preferences, sorted by topic and channel. Empty for an unknown user."""
        rows = await self._store.run("preferences.find", lambda: self._rows.find({"userId": user_id}).to_list())
        found = [Preference(row["userId"], row["topic"], row["type"], row["enabled"]) for row in rows]
        return sorted(found, key=lambda each: (each.topic, each.channel))

    async def is_disabled(self, user_id: str, topic: str, channel: Channel) -> bool:
        """Return whether the user has disabled this topic and channel. False for topics that cannot be disabled."""
        if not topic or topic.startswith(ALWAYS_ENABLED):
            return False
        this = {"_id": _id(user_id, topic, channel)}
        row = await self._store.run("preferences.get", lambda: self._rows.find_one(this, {"enabled": 1}))
        return row is not None and not row["enabled"]

    async def set(self, preference: Preference) -> None:
        """Store the preference. It replaces the previous one of its topic and channel.

        Raises InvalidArgument for an invalid topic. Raises FailedPrecondition for an erased user, and above the limit
        of 200 preferences, which concurrent calls can exceed by a few.
        """
        _check(preference)
        await self._tombstones.check(preference.user_id)
        await self._invalidation.write_and_invalidate(
            [preferences_tag(preference.user_id)], partial(self._set, preference)
        )

    async def _set(self, preference: Preference) -> None:
        now, user_id = self._clock(), preference.user_id
        this: Document = {"_id": _id(user_id, preference.topic, preference.channel)}
        state: Document = {"enabled": preference.enabled, "updatedAt": now}
        about: Document = {"userId": user_id, "topic": preference.topic, "type": preference.channel, "createdAt": now}

        async def put() -> None:
            if (await self._rows.update_one(this, {"$set": state})).matched_count:
                return
            if await self._rows.count_documents({"userId": user_id}, limit=MAX_PREFERENCES) >= MAX_PREFERENCES:
                raise FailedPrecondition("TOO_MANY_PREFERENCES", f"at most {MAX_PREFERENCES} preferences per user")
            try:
                await self._rows.insert_one(this | about | state)
            except DuplicateKeyError:  # another call inserted it, or the driver's own first attempt
                await self._rows.update_one(this, {"$set": state})

        await self._store.run("preferences.set", put)
        try:
            await self._tombstones.check(user_id)
        except FailedPrecondition:  # the user was erased in between
            await self._store.run("preferences.delete", lambda: self._rows.delete_one(this))
            raise


def _id(user_id: str, topic: str, channel: Channel) -> str:
    """Return the document's id. It is unambiguous, because only a user id can contain a slash."""
    return f"{channel}/{topic}/{user_id}"


def _check(preference: Preference) -> None:
    check_user_id("preference.user_id", preference.user_id)
    if not PREFERENCE_TOPIC.fullmatch(preference.topic):
        raise InvalidArgument(
            "INVALID_FIELD",
            "preference.topic must be 1 to 64 characters of [a-z0-9._-], and not . or ..",
            field="preference.topic",
        )
    if preference.topic.startswith(ALWAYS_ENABLED) and not preference.enabled:
        raise InvalidArgument(
            "ALWAYS_TOLD",
            f"topics that begin with {ALWAYS_ENABLED} cannot be disabled: they protect the account",
            field="preference.topic",
        )
