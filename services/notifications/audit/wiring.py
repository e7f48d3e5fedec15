"""Wiring of the audit, for `__main__.py`."""

from datetime import timedelta

from runtime.rpc.server import Server
from services.notifications.audit.events import Audit
from services.notifications.audit.servicer import AuditServicer
from services.notifications.store.mongo import Store
from services.notifications.store.tombstones import Tombstones
from trivet.notifications.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server


def add_audit(server: Server, store: Store, *, tombstones: Tombstones, ttl: timedelta) -> None:
    """Add AuditService to the server. Events are kept for `ttl`."""
    servicer = AuditServicer(Audit(store, tombstones, ttl=ttl))
    server.add("trivet.notifications.v1.AuditService", add_AuditServiceServicer_to_server, servicer)
