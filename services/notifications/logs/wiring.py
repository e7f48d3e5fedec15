"""Wiring of the logs, for `__main__.py`."""

from collections.abc import Mapping
from datetime import timedelta

from runtime.rpc.server import Server
from services.notifications.logs.entries import Logs
from services.notifications.logs.levels import Level
from services.notifications.logs.query import LogReader
from services.notifications.logs.servicer import LogServicer
from services.notifications.store.mongo import Store
from services.notifications.store.tombstones import Tombstones
from trivet.notifications.v1.log_service_pb2_grpc import add_LogServiceServicer_to_server


def add_logs(server: Server, store: Store, *, tombstones: Tombstones, ttls: Mapping[Level, timedelta]) -> None:
    """Add LogService to the server. `ttls` says how long entries of each level are kept."""
    servicer = LogServicer(Logs(store, tombstones, ttls), LogReader(store, max(ttls.values())))
    server.add("trivet.notifications.v1.LogService", add_LogServiceServicer_to_server, servicer)
