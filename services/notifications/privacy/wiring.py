"""Wiring of the export and erasure of a user's data, for `__main__.py`."""

from collections.abc import Sequence

from runtime.rpc.server import Server
from services.notifications.inbox.cache_invalidation import Invalidation
from services.notifications.privacy.servicer import UserDataServicer
from services.notifications.privacy.user_data import UserData
from services.notifications.store.mongo import Store
from services.notifications.store.personal_data import PersonalData
from services.notifications.store.tombstones import Tombstones
from trivet.notifications.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server


def add_user_data(
    server: Server, store: Store, kinds: Sequence[PersonalData], *, tombstones: Tombstones, invalidation: Invalidation
) -> None:
    """Add UserDataService to the server, for these kinds of data."""
    servicer = UserDataServicer(UserData(store, tombstones, kinds, invalidation=invalidation))
    server.add("trivet.notifications.v1.UserDataService", add_UserDataServiceServicer_to_server, servicer)
