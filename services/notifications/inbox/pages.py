"""What a list of notifications is asked for, and what it returns."""

from dataclasses import dataclass
from typing import Generic

from runtime.paging import M
from services.notifications.inbox.draft import Channel


@dataclass(frozen=True, slots=True)
class Selection:
    """The filter of a list of a user's notifications. A `channel` of None matches all channels."""

    user_id: str
    unread_only: bool = False
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class NotificationPage(Generic[M]):
    """Notifications, newest first, and the token of the next page, which is empty on the last page.

    `total_size` is the number of all that match if the page was read by number, else None.
    """

    notifications: list[M]
    next_page_token: str
    total_size: int | None = None
