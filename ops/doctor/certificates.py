"""When the certificates expire that servers show, and those in files that settings name."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from ops.doctor.finding import Finding, error, warning

CHECK = "certificates"
SOON = timedelta(days=21)
POSTGRESQL_TLS = bytes.fromhex("0000000804d2162f")
"""PostgreSQL's SSLRequest, which it answers with S or N."""
MYSQL_TLS = bytes.fromhex("2000000100aa0000000000012d") + bytes(23)
"""MySQL's SSLRequest: protocol 4.1, TLS, secure connection, packets of 16 MiB, utf8mb4."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Opening = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """TLS from the first byte."""


async def after_postgresql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """TLS after PostgreSQL's SSLRequest. Raises ConnectionError if the server has none."""
    writer.write(POSTGRESQL_TLS)
    if await reader.readexactly(1) != b"S":
        raise ConnectionError("the server has no TLS")


async def after_mysql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """TLS after MySQL's greeting."""
    head = await reader.readexactly(4)
    await reader.readexactly(int.from_bytes(head[:3], "little"))
    writer.write(MYSQL_TLS)


async def after_smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """TLS after STARTTLS. Raises ConnectionError if the mail server has none."""
    await _smtp_answer(reader)
    for command in (b"EHLO trivet.invalid\r\n", b"STARTTLS\r\n"):
        writer.write(command)
        if not (await _smtp_answer(reader)).startswith(b"2"):
            raise ConnectionError("the mail server has no STARTTLS")


async def _smtp_answer(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readline()
        if line[3:4] != b"-":
            return line


async def shown(name: str, host: str, port: int, now: datetime, opening: Opening = at_once) -> list[Finding]:
    """Check the certificate that a server shows. A server that does not answer is a finding of another check."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an expired one must be read too
    writer = None
    try:
        reader, writer = await asyncio.open_connection(host, port)
        await opening(reader, writer)
        await writer.start_tls(context, server_hostname=host)
        encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    except (OSError, EOFError, ssl.SSLError):
        return []
    finally:
        if writer is not None:
            writer.close()
    return judge(f"the certificate of {name}", x509.load_der_x509_certificate(encoded), now) if encoded else []


async def in_files(files: Iterable[str], now: datetime) -> list[Finding]:
    """Check the certificates in PEM files. A file that cannot be read is a finding of the settings."""
    found = []
    for file in dict.fromkeys(filter(None, files)):
        try:
            every = x509.load_pem_x509_certificates(_read(file))
        except (OSError, ValueError):
            continue
        for each in every[:1]:  # a server's own certificate is the first; a bundle of authorities ages without harm
            found += judge(f"the certificate in {file}", each, now)
    return found


def _read(file: str) -> bytes:
    return Path(file).read_bytes()


def judge(name: str, certificate: x509.Certificate, now: datetime) -> list[Finding]:
    """Return the finding about a certificate that has expired, will soon, or is not valid yet."""
    end = certificate.not_valid_after_utc
    remedy = "renew it, and see why that did not happen by itself"
    if certificate.not_valid_before_utc > now:
        return [error(CHECK, f"{name} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} only", remedy)]
    if end <= now:
        return [error(CHECK, f"{name} has expired on {end:%Y-%m-%d}", remedy)]
    if end - now <= SOON:
        return [warning(CHECK, f"{name} expires on {end:%Y-%m-%d}, in {(end - now).days} days", remedy)]
    return []


def where(address: str, default_port: int) -> tuple[str, int] | None:
    """Return the first host and port of a URL, None without a host."""
    try:
        parts = urlsplit(address)
        first = urlsplit(f"//{parts.netloc.rpartition('@')[2].partition(',')[0]}")
        return (first.hostname, first.port or default_port) if first.hostname else None
    except ValueError:
        return None
