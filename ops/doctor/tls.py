"""Which certificates a system depends on, by the addresses in its settings."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from ops.doctor import certificates
from ops.doctor.certificates import after_mysql, after_postgresql, after_smtp, at_once
from ops.doctor.examination import Check
from ops.doctor.finding import Finding
from ops.stack.endpoints import Endpoints
from services.identity.store.engine import store_url
from services.identity.store.engine.url_parameters import UNPROTECTED
from services.notifications.delivery.email.settings import MailSettings

FILE_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "tlsCAFile", "tlsCertificateKeyFile")
SECURE = ("true", "1")


def checks(known: Endpoints, mail: MailSettings | None, now: datetime) -> list[Check]:
    """Return a check for each server that shows a certificate, and one for the files that settings name."""
    every = [*_of_gateway(known.url), *_of_redis(known.redis), *_of_mongodb(known.mongodb), *_of_sql(known.sql)]
    if mail is not None and mail.sends_mail and not (server := mail.smtp_server).is_plain:
        every.append(("the mail server", (server.host, server.port), at_once if server.tls else after_smtp))
    files = [*_files(known), mail.smtp_ca_file if mail else ""]

    def check(name: str, place: tuple[str, int], opening: certificates.Opening) -> Check:
        return Check(certificates.CHECK, lambda: certificates.shown(name, *place, now, opening))

    async def of_files() -> list[Finding]:
        return await certificates.in_files(files, now)

    return [*(check(*each) for each in every), Check(certificates.CHECK, of_files)]


Server = tuple[str, tuple[str, int], certificates.Opening]


def _of_gateway(url: str) -> list[Server]:
    place = certificates.where(url, 443) if url.startswith("https://") else None
    return [(url, place, at_once)] if place else []


def _of_redis(url: str) -> list[Server]:
    place = certificates.where(url, 6380) if url.startswith("rediss") else None
    return [("Redis", place, at_once)] if place else []


def _of_mongodb(uri: str) -> list[Server]:
    options = _options(uri)
    is_secure = options.get("tls", options.get("ssl", "")).lower() in SECURE
    place = certificates.where(uri, 27017) if is_secure and uri.startswith("mongodb://") else None
    return [("MongoDB", place, at_once)] if place else []


def _of_sql(address: str) -> list[Server]:
    if not address:
        return []
    store = store_url.parse(address)
    tls = store.parameters.tls
    opening = {"mysql": after_mysql, "postgresql": after_postgresql}.get(store.kind)
    if opening is None or not store.url.host or tls.get("mode", "verify-ca" if "ca" in tls else "") in UNPROTECTED:
        return []
    port = store.url.port or (3306 if store.kind == "mysql" else 5432)
    return [("the database", (store.url.host, port), opening)]


def _files(known: Endpoints) -> list[str]:
    options: Mapping[str, str] = _options(known.redis) | _options(known.mongodb)
    of_sql = store_url.parse(known.sql).parameters.tls if known.sql else {}
    return [of_sql.get("ca", ""), of_sql.get("cert", ""), *(options.get(name, "") for name in FILE_OPTIONS)]


def _options(address: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}
