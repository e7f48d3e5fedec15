"""UserDataService over gRPC: decode, one call, encode."""

from runtime.paging import page_size
from runtime.rpc.interceptor_chain import Context
from services.notifications.privacy.user_data import UserData, UserRecord
from trivet.notifications.v1 import user_data_service_pb2 as data
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceServicer

DEFAULT_EXPORT_PAGE_SIZE = 100


class UserDataServicer(UserDataServiceServicer):
    """`trivet.notifications.v1.UserDataService`."""

    def __init__(self, user_data: UserData) -> None:
        self._user_data = user_data

    async def EraseUserData(self, request: data.EraseUserDataRequest, context: Context) -> data.EraseUserDataResponse:
        count, complete = await self._user_data.erase(request.user_id)
        return data.EraseUserDataResponse(erased_count=count, complete=complete)

    async def ExportUserData(
        self, request: data.ExportUserDataRequest, context: Context
    ) -> data.ExportUserDataResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_EXPORT_PAGE_SIZE)
        records, token = await self._user_data.page(
            request.user_id, size=size, encode=_encode_record, page_token=request.page_token
        )
        return data.ExportUserDataResponse(records=records, next_page_token=token)


def _encode_record(record: UserRecord) -> data.UserRecord:
    message = data.UserRecord(kind=record.kind)
    message.data.update(record.data)
    return message
