"""Metrics of the connection pool: open connections, and connections in use."""

from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from runtime.telemetry.tracing import store_pool_in_use, store_pool_size

in_use = store_pool_in_use.labels("mongodb")
size = store_pool_size.labels("mongodb")


class PoolGauges(ConnectionPoolListener):
    """Counts by the driver's events of its pools. The driver's monitoring connections are in no pool."""

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        size.inc()

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        size.dec()

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        in_use.inc()

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        in_use.dec()

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """No connection is in use yet."""

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """No connection was in use."""

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """The connection was counted when it was created."""

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """The pool is empty."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """The number of connections does not change."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Each connection that closes has its own event."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Each connection that closes has its own event."""
