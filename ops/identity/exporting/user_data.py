"""`trivet users export`: all data about one user."""

import json
import time
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from sqlalchemy import Table, select

from ops.errors import CommandFailed
from ops.identity.identity_access import IdentityAccess
from ops.identity.sealing import SealingSettings, sealer
from ops.keys.pair_keys import pair_key
from ops.stack.data_folder import secret
from ops.stack.running import Running, found
from runtime.errors import DeliveryRejectedError
from runtime.rpc.health import STACK
from runtime.sealing import Sealer
from runtime.settings import from_env
from runtime.struct_codec import number, plain
from services.identity import schema
from services.identity.outbox import audit, mail
from services.identity.outbox.delivery import OutboxMessage
from services.identity.outbox.outbox import PARKED
from services.identity.store.database import Database
from trivet.client import Channel, Signer, connect
from trivet.notifications.v1.user_data_service_pb2 import ExportUserDataRequest
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceStub

SECRETS = {
    "accounts": ("access_token", "refresh_token", "id_token", "password"),
    "sessions": ("token_hash",),
}
"""Credentials: they are not exported."""
OWNED = (schema.accounts, schema.sessions, schema.subscriptions)
CALLER = "ops"
SECONDS = 10.0
TOTAL_SECONDS = 300.0
LISTS = {
    "notification": "notifications",
    "preference": "preferences",
    "log": "logs",
    "audit_event": "audit_events",
    "delivery": "deliveries",
}
IN_MONGODB = "notifications, preferences, logs, audit events and deliveries"


class UserDataSettings(SealingSettings):
    """Settings of `trivet users export`."""

    notifications_address: str = from_env(
        "TRIVET_NOTIFICATIONS_ADDRESS", default="", description="HOST:PORT; by default the running stack's."
    )


async def user_data(
    identity: IdentityAccess, who: str, settings: UserDataSettings, *, sql_only: bool
) -> tuple[dict[str, Any], str]:
    """Return all data about a user, and a sentence about missing parts, empty if nothing is missing."""
    user_id = (await identity.user(who)).id
    data = await _in_sql(identity.database, user_id)
    # Read before MongoDB: a message delivered in between is in both, never in neither.
    data["waiting"] = await _waiting(identity.database, user_id, settings)
    if sql_only:
        return data | {"missing": f"{IN_MONGODB} were not asked for"}, ""
    running = found(settings.data_folder)
    address = settings.notifications_address or (running.services["notifications"] if running else "")
    if not address:
        raise CommandFailed(
            f"no stack runs with {settings.data_folder}: start it, set TRIVET_NOTIFICATIONS_ADDRESS, or use --sql-only"
        )
    lists: dict[str, list[Any]] = {name: [] for name in LISTS.values()}
    why = ""
    try:
        await _in_mongodb(user_id, settings, address, running, lists)
    except grpc.aio.AioRpcError as error:
        why = f"{error.code().name} ({error.details()})"
    except TimeoutError:
        why = "it took more than 5 minutes"
    missing = f"{IN_MONGODB}: the notifications service at {address} says {why}" if why else ""
    return data | lists | ({"missing": missing} if missing else {}), missing


async def _in_sql(database: Database, user_id: str) -> dict[str, Any]:
    users = await database.rows("export.user", select(schema.users).where(schema.users.c.id == user_id))
    data: dict[str, Any] = {"user": _shown(schema.users, users[0]._mapping) if users else None}
    for table in OWNED:
        rows = await database.rows("export.owned", select(table).where(table.c.user_id == user_id))
        data[table.name] = [_shown(table, row._mapping) for row in rows]
    return data


async def _waiting(database: Database, user_id: str, settings: UserDataSettings) -> list[dict[str, Any]]:
    """Return the outbox messages that the notifications service has not received yet."""
    topics = [prefix + topic for topic in (audit.TOPIC, mail.TOPIC) for prefix in ("", PARKED)]
    theirs = select(schema.outbox).where(schema.outbox.c.topic.in_(topics), schema.outbox.c.key == user_id)
    rows = await database.rows("export.waiting", theirs.order_by(schema.outbox.c.id))
    # `sealer` creates a missing secret, so it is called only if there is a mail to open.
    opens = sealer(settings) if any(row.topic.endswith(mail.TOPIC) for row in rows) else None
    return [
        {
            "topic": row.topic.removeprefix(PARKED),
            "is_parked": row.topic.startswith(PARKED),
            "created_at": row.created_at,
            "data": _message_data(row, opens),
        }
        for row in rows
    ]


def _message_data(row: Any, opens: Sealer | None) -> dict[str, Any] | None:
    """Return the data of a message. Leaves out a mail's text, because its link can be a credential."""
    note = OutboxMessage(row.id, row.key, row.payload, row.created_at)
    try:
        if opens is None or row.topic.endswith(audit.TOPIC):
            return dict(json.loads(note.payload))
        _, letter = mail.unseal(note, opens)
    except (ValueError, TypeError, DeliveryRejectedError):
        return None
    return {"to": letter.to, "topic": letter.about, "title": letter.title}


def _shown(table: Table, row: Any) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in SECRETS.get(table.name, ())}
    if shown.get("additional"):
        shown["additional"] = json.loads(shown["additional"], parse_float=number)
    return shown


async def _in_mongodb(
    user_id: str, settings: UserDataSettings, address: str, running: Running | None, lists: dict[str, list[Any]]
) -> None:
    """Read the data of the notifications service page by page. Raises AioRpcError, TimeoutError and CommandFailed."""
    key = pair_key(secret(settings), CALLER, "notifications")
    until = time.monotonic() + TOTAL_SECONDS
    async with connect(address, "notifications", Signer(CALLER, {"notifications": key})) as channel:
        if running is not None:
            await _check_stack(channel, address, running, settings)
        stub, token = UserDataServiceStub(channel), ""
        while True:
            request = ExportUserDataRequest(user_id=user_id, page_size=1_000, page_token=token)
            page = await stub.ExportUserData(request, timeout=SECONDS)
            for record in page.records:
                lists.setdefault(LISTS.get(record.kind, record.kind), []).append(plain(record.data, record.kind))
            if not (token := page.next_page_token):
                return
            if time.monotonic() > until:
                raise TimeoutError


async def _check_stack(channel: Channel, address: str, running: Running, settings: UserDataSettings) -> None:
    """Raise CommandFailed if the address belongs to another stack, which can have the same secret."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        await check(health_pb2.HealthCheckRequest(service=STACK.format(running.stack_id)), timeout=SECONDS)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        raise CommandFailed(
            f"the service at {address} does not belong to the stack that runs with {settings.data_folder}: choose the "
            "stack with TRIVET_DATA or TRIVET_HTTP_PORT, or set TRIVET_NOTIFICATIONS_ADDRESS"
        ) from None
