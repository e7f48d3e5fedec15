"""The domains of the service: each declares its collections and its personal data in its own folder."""

from services.notifications.audit import collections as audit
from services.notifications.delivery import collections as delivery
from services.notifications.delivery.deliveries import migrate
from services.notifications.inbox import collections as inbox
from services.notifications.logs import collections as logs
from services.notifications.store import tombstones
from trivet.notifications.v1 import analytics_service_pb2, delivery_service_pb2, device_service_pb2

COLLECTIONS = (
    *inbox.COLLECTIONS,
    *delivery.COLLECTIONS,
    *logs.COLLECTIONS,
    *audit.COLLECTIONS,
    *tombstones.COLLECTIONS,
)
MIGRATIONS = (migrate,)
PERSONAL_DATA = (*inbox.PERSONAL_DATA, *logs.PERSONAL_DATA, *audit.PERSONAL_DATA, *delivery.PERSONAL_DATA)
"""In the order of an export. A page token holds an index into this list, so add a new kind at the end."""
NOT_IMPLEMENTED = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (analytics_service_pb2, "AnalyticsService"),
        (delivery_service_pb2, "DeliveryService"),
        (device_service_pb2, "DeviceService"),
    )
)
