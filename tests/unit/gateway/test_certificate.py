"""The metric of the certificate's expiry, read from a real TLS server."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import REGISTRY

from gateway.certificate import CertificateExpiry

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])


def context(folder: Path, end: datetime) -> ssl.SSLContext:
    """A server's context with a self-signed certificate for another name, which ends at `end`."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(end - timedelta(days=90)).not_valid_after(end)
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "both.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def metric() -> float | None:
    return REGISTRY.get_sample_value("trivet_certificate_expiry_timestamp_seconds", {"host": "127.0.0.1"})


@pytest.mark.parametrize("days", [30, -3])
async def test_the_end_of_a_certificate_is_read_also_if_it_is_over(tmp_path: Path, days: int) -> None:
    end = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context(tmp_path, end))
    async with server:
        port = server.sockets[0].getsockname()[1]
        await CertificateExpiry(f"https://127.0.0.1:{port}/app").measure()
    assert metric() == end.timestamp()


async def test_a_server_without_tls_or_none_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "gateway.certificate")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    expiry = CertificateExpiry(f"https://127.0.0.1:{port}")
    await expiry.measure()
    await expiry.measure()
    value = metric()
    assert value is not None
    assert isnan(value)
    assert len([each for each in caplog.records if each.name == "gateway.certificate"]) == 1
