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
    """Follows what the driver tells of its pools; its connections that watch the servers are in none."""

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        size.inc()

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        size.dec()

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        in_use.inc()

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        in_use.dec()

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """Nothing is held yet."""

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """Nothing came to be held."""

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """It was counted when it was created."""

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """It is empty."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """It may be used."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Each connection that closes has its own event."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """As when it is cleared."""
