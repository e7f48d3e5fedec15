"""All checks of a system, by its settings."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ops.doctor import (
    disk,
    file_limits,
    local_time,
    mongodb,
    processes,
    redis,
    settings,
    sql,
    tls,
    weak_secrets,
)
from ops.doctor.examination import Check
from ops.errors import WrongSettings
from ops.settings_reader import read_settings
from ops.stack.endpoints import Endpoints, EndpointSettings
from runtime.clock import Clock, utc_now
from services.identity.store.engine import store_url
from services.notifications.delivery.email.settings import MailSettings


def checks(environ: Mapping[str, str] = os.environ, now: Clock = utc_now) -> list[Check]:
    """Return the checks that the settings ask for. A store or process without an address has none."""
    chosen, rest = settings.readable(environ)
    known = settings.addresses(chosen, rest, environ)
    return [
        Check(settings.CHECK, partial(settings.wrong, environ)),
        Check(settings.CHECK, partial(settings.unknown_addresses, known, is_production=chosen.is_production)),
        Check(weak_secrets.CHECK, partial(weak_secrets.of_cookies, environ, chosen.data_root)),
        *_of_machine(chosen, known),
        *_of_processes(known, now),
        *_of_stores(known, now),
        *tls.checks(known, _mail(rest), now()),
        *(_of_passwords(known) if chosen.is_production else []),
    ]


def _of_machine(chosen: EndpointSettings, known: Endpoints) -> list[Check]:
    folder = chosen.data_folder
    if known.sql.startswith("sqlite"):
        folder = Path(store_url.parse(known.sql).url.database or folder).absolute().parent
    return [
        Check(disk.CHECK, partial(disk.free_space, folder)),
        Check(file_limits.CHECK, file_limits.of_this_user),
        Check(local_time.CHECK, local_time.zone),
    ]


def _of_processes(known: Endpoints, now: Clock) -> list[Check]:
    return [
        *([Check(processes.CHECK, partial(processes.gateway, known.url))] if known.url else []),
        *(Check(processes.CHECK, partial(processes.service, *each)) for each in known.services.items()),
        *(Check(processes.CHECK, partial(processes.metrics, *each, now)) for each in known.metrics.items()),
    ]


def _of_stores(known: Endpoints, now: Clock) -> list[Check]:
    every = [(sql, known.sql), (mongodb, known.mongodb), (redis, known.redis)]
    return [Check(store.CHECK, partial(store.examine, address, now)) for store, address in every if address]


def _of_passwords(known: Endpoints) -> list[Check]:
    addresses = {"DATABASE_URL": known.sql, "MONGODB_URI": known.mongodb, "REDIS_URL": known.redis}
    return [Check(weak_secrets.CHECK, partial(weak_secrets.of_stores, addresses))]


def _mail(environ: Mapping[str, str]) -> MailSettings | None:
    try:
        return read_settings(MailSettings, environ)
    except WrongSettings:  # it is a finding of the settings
        return None
