"""LogService over gRPC: decode, one call, encode."""

from runtime.clock import timestamp
from runtime.paging import page_size
from runtime.rpc.interceptor_chain import Context
from services.notifications.logs import messages as log_messages
from services.notifications.logs.entries import Logs
from services.notifications.logs.query import LogReader
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceServicer

DEFAULT_LOG_PAGE_SIZE = 50


class LogServicer(LogServiceServicer):
    """`trivet.notifications.v1.LogService`."""

    def __init__(self, logs: Logs, reader: LogReader) -> None:
        self._logs = logs
        self._reader = reader

    async def WriteLogs(self, request: log.WriteLogsRequest, context: Context) -> log.WriteLogsResponse:
        entries = [log_messages.decode_entry(entry, index) for index, entry in enumerate(request.entries)]
        written = await self._logs.write(entries)
        return log.WriteLogsResponse(
            written_count=written.count,
            rejected=[
                log.RejectedLogEntry(index=each.index, reason=each.reason, message=each.message)
                for each in written.rejected
            ],
        )

    async def QueryLogs(self, request: log.QueryLogsRequest, context: Context) -> log.QueryLogsResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_LOG_PAGE_SIZE)
        criteria = log_messages.decode_filter(request)
        found = await self._reader.query(
            criteria, size=size, encode=log_messages.encode_entry, page_token=request.page_token
        )
        return log.QueryLogsResponse(
            entries=found.entries,
            next_page_token=found.next_page_token,
            searched_back_to=timestamp(found.searched_back_to) if found.searched_back_to else None,
        )
