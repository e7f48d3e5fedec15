"""What servers store in place of a password. A statement with it can be logged: it opens no session."""

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
"""PostgreSQL's own default."""
SALT_BYTES = 16


def scram_sha_256(password: str, salt: bytes | None = None) -> str:
    """Return PostgreSQL's verifier of an ASCII password (RFC 5803, RFC 7677)."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_encoded(salt)}${_encoded(stored)}:{_encoded(server)}"


def native(password: str) -> str:
    """Return MariaDB's verifier for `mysql_native_password`: SHA-1 twice. So a password must be long and random."""
    once = hashlib.sha1(password.encode("ascii"), usedforsecurity=False).digest()
    return f"*{hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()}"


def sha256(password: str) -> str:
    """Return Redis' verifier."""
    return hashlib.sha256(password.encode("ascii")).hexdigest()


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
