"""The services that HTTP can reach through the transcoder, by the process that serves them."""

from google.protobuf.descriptor import ServiceDescriptor

from trivet.cache.v1 import cache_pb2
from trivet.identity.v1 import (
    account_service_pb2,
    session_service_pb2,
    subscription_service_pb2,
    user_admin_service_pb2,
    user_service_pb2,
)
from trivet.notifications.v1 import (
    analytics_service_pb2,
    audit_service_pb2,
    delivery_service_pb2,
    device_service_pb2,
    log_service_pb2,
    notification_service_pb2,
    preference_service_pb2,
)

SERVICES: dict[str, tuple[ServiceDescriptor, ...]] = {
    "identity": (
        account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
        session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
        subscription_service_pb2.DESCRIPTOR.services_by_name["SubscriptionService"],
        user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
        user_admin_service_pb2.DESCRIPTOR.services_by_name["UserAdminService"],
    ),
    "notifications": (
        notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        preference_service_pb2.DESCRIPTOR.services_by_name["PreferenceService"],
        log_service_pb2.DESCRIPTOR.services_by_name["LogService"],
        audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
    ),
    "cache": (cache_pb2.DESCRIPTOR.services_by_name["CacheService"],),
}

NOT_IMPLEMENTED: dict[str, tuple[ServiceDescriptor, ...]] = {
    "notifications": (
        analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
        delivery_service_pb2.DESCRIPTOR.services_by_name["DeliveryService"],
        device_service_pb2.DESCRIPTOR.services_by_name["DeviceService"],
    ),
}
"""Services that are specified only. Their routes answer 501 with the service's own words and are not described."""
