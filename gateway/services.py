"""Which services HTTP may reach through the transcoder, by the process that serves them."""

from google.protobuf.descriptor import ServiceDescriptor

from trivet.cache.v1 import cache_pb2
from trivet.identity.v1 import session_service_pb2, user_service_pb2
from trivet.notifications.v1 import log_service_pb2, notification_service_pb2

SERVICES: dict[str, tuple[ServiceDescriptor, ...]] = {
    "identity": (
        session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
        user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
    ),
    "notifications": (
        notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        log_service_pb2.DESCRIPTOR.services_by_name["LogService"],
    ),
    "cache": (cache_pb2.DESCRIPTOR.services_by_name["CacheService"],),
}
