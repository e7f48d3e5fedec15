"""The metric of when the certificate of TRIVET_BASE_URL expires, which a proxy in front of the gateway serves."""

import asyncio
import logging
import ssl
from math import nan
from urllib.parse import urlsplit

from cryptography import x509
from prometheus_client import Gauge

logger = logging.getLogger(__name__)
FIRST_SECONDS = 10.0
EVERY_SECONDS = 6 * 60 * 60.0
TIMEOUT_SECONDS = 5.0

expires_at = Gauge(
    "trivet_certificate_expiry_timestamp_seconds",
    "When the certificate of TRIVET_BASE_URL expires; NaN if the gateway could not read it.",
    ["host"],
)


class CertificateExpiry:
    """Reads the certificate from the server. It is not verified: the date of an expired one is wanted too."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._host = url.hostname or ""
        self._port = url.port or 443
        self.is_https = url.scheme == "https"
        self._last = ""

    async def measure(self) -> None:
        """Set the metric. A server that cannot be read is logged once for each reason."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                expires_at.labels(self._host).set(await self._read())
            self._last = ""
        except (OSError, ValueError) as error:  # also of TLS, and time-outs
            expires_at.labels(self._host).set(nan)
            if self._last != (reason := f"{type(error).__name__}: {error}"):
                self._last = reason
                logger.warning("cannot read the certificate of TRIVET_BASE_URL to see when it expires: %s", reason)

    async def _read(self) -> float:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        try:
            encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.close()
        return x509.load_der_x509_certificate(encoded).not_valid_after_utc.timestamp()
