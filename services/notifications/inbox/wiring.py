"""Wiring of the inbox, for `__main__.py`."""

from datetime import timedelta

from runtime.rpc.server import Server
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.inbox.cache_invalidation import Invalidation
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.preference_servicer import PreferenceServicer
from services.notifications.inbox.preferences import Preferences
from services.notifications.inbox.servicer import NotificationServicer
from services.notifications.store.mongo import Store
from services.notifications.store.tombstones import Tombstones
from trivet.notifications.v1.notification_service_pb2_grpc import add_NotificationServiceServicer_to_server
from trivet.notifications.v1.preference_service_pb2_grpc import add_PreferenceServiceServicer_to_server


def add_inbox(
    server: Server,
    store: Store,
    *,
    mail_policy: MailPolicy,
    deliveries: Deliveries,
    tombstones: Tombstones,
    invalidation: Invalidation,
    ttl: timedelta,
) -> None:
    """Add NotificationService and PreferenceService to the server. Notifications are kept for `ttl` by default."""
    preferences = Preferences(store, tombstones, invalidation=invalidation)
    notifications = Notifications(
        store, mail_policy, deliveries, tombstones, preferences, ttl=ttl, invalidation=invalidation
    )
    server.add(
        "trivet.notifications.v1.NotificationService",
        add_NotificationServiceServicer_to_server,
        NotificationServicer(notifications),
    )
    server.add(
        "trivet.notifications.v1.PreferenceService",
        add_PreferenceServiceServicer_to_server,
        PreferenceServicer(preferences),
    )
