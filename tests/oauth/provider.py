"""An OpenID provider of the tests' own: real HTTP, real signatures, and switches for whatever may be wrong with one.

It asks nobody for consent. tests/client/oauth runs the same scenarios against npm's certified oidc-provider.
"""

import base64
import gzip
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.oauth.serving import Handler

CLIENT_ID = "trivet-tests"
CLIENT_SECRET = "a secret: with+signs&50%"
LIFETIME = 3_600


@dataclass
class Person:
    """Somebody who is signed in at the provider."""

    sub: str
    email: str | None
    email_verified: bool = True
    name: str = "Ann"

    @property
    def claims(self) -> dict[str, Any]:
        known = {"sub": self.sub, "email": self.email, "email_verified": self.email_verified, "name": self.name}
        return {name: value for name, value in known.items() if value is not None}


@dataclass
class Switches:
    """What is wrong with the provider; nothing by default."""

    denies: bool = False
    iss: str | None = None  # what callbacks say instead of the issuer; empty for nothing
    claims: dict[str, Any] = field(default_factory=dict)  # put over those of the id token; None removes one
    algorithm: str = (
        "RS256"  # also `none`, HS256 with the public key as its secret, and `stranger` for a key of nobody's
    )
    lifetime: int = LIFETIME
    token_answer: tuple[int, bytes] | None = None
    token_hangs: bool = False
    seconds: float = 0.0  # how long each answer takes to a program; pages that people see come at once
    userinfo: bytes | None = None
    userinfo_gzip: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    in_userinfo_only: bool = False  # whether the id token names no address
    refuses_refresh: bool = False


class Provider:
    """One provider, at an address of its own."""

    def __init__(self) -> None:
        self.person = Person("nobody", None)
        self.switches = Switches()
        self.counts: Counter[str] = Counter()
        self.reused: list[str] = []
        self.released = threading.Event()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: dict[str, dict[str, Any]] = {}
        self._access: dict[str, Person] = {}
        self._lock = threading.Lock()
        self.rotate_key()
        handler = type("Handler", (Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def rotate_key(self) -> None:
        """Sign with a new key from now on, and publish no other."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Nothing is wrong any more."""
        self.switches, self.counts, self.reused = Switches(), Counter(), []
        self.released.set()
        self.released = threading.Event()

    def become(self, person: Person) -> None:
        """Have this person be signed in there from now on, and consent."""
        self.person, self.switches.denies = person, False

    def deny(self) -> None:
        """Have the person refuse."""
        self.switches.denies = True

    def id_token(self, person: Person | None = None, nonce: str = "", **claims: Any) -> str:
        """Return an id token as the switches would have it, `claims` put over those of the person."""
        now = int(time.time())
        told = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + LIFETIME}
        told |= (person or self.person).claims | ({"nonce": nonce} if nonce else {}) | self.switches.claims | claims
        if self.switches.in_userinfo_only:
            told.pop("email", None)
        return self._signed({name: value for name, value in told.items() if value is not None})

    def _signed(self, claims: dict[str, Any]) -> str:
        kid = str(self.key.kid)
        match self.switches.algorithm:
            case "none":
                parts = ({"alg": "none", "kid": kid}, claims)
                return ".".join(_b64(json.dumps(part).encode()) for part in parts) + "."
            case "HS256":  # a client that lets the token choose takes the public key for the shared secret
                public = self.key.as_pem(private=False)
                return jwt.encode({"alg": "HS256", "kid": kid}, claims, OctKey.import_key(public.strip(b"-")))
            case "stranger":
                stranger = RSAKey.generate_key(2048)
                return jwt.encode({"alg": "RS256", "kid": kid}, claims, stranger)
            case "ES256":
                return jwt.encode({"alg": "ES256", "kid": kid}, claims, ECKey.generate_key("P-256"))
            case algorithm:
                return jwt.encode({"alg": algorithm, "kid": kid}, claims, self.key)

    def authorize(self, query: Mapping[str, str]) -> str:
        """Return where the browser is sent for an authorization request."""
        self.counts["authorize"] += 1
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        answer = {"state": query["state"]}
        if self.switches.denies:
            answer |= {"error": "access_denied", "error_description": "End-User aborted interaction"}
        else:
            assert query["code_challenge_method"] == "S256"
            code = secrets.token_urlsafe(24)
            self._codes[code] = {**query, "person": json.dumps(self.person.__dict__)}
            answer |= {"code": code}
        iss = self.issuer if self.switches.iss is None else self.switches.iss
        return f"{query['redirect_uri']}?{urlencode(answer | ({'iss': iss} if iss else {}))}"

    def token(self, form: Mapping[str, str], authorization: str) -> tuple[int, Any]:
        """Answer the token endpoint."""
        self.counts["token"] += 1
        if not _is_us(form, authorization):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form["refresh_token"])
        with self._lock:
            asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        challenge = _b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        person = Person(**json.loads(asked["person"]))
        answer = self._tokens(person) | {"scope": asked["scope"]}
        if "openid" in asked["scope"]:
            answer["id_token"] = self.id_token(person, asked.get("nonce", ""))
        return 200, answer

    def _tokens(self, person: Person) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._access[access] = person
        self._refresh[refresh] = {"person": person, "spent": False}
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": self.switches.lifetime,
        }

    def _refreshed(self, token: str) -> tuple[int, Any]:
        self.counts["refresh"] += 1
        with self._lock:
            kept = self._refresh.get(token)
            if kept is None or kept["spent"] or self.switches.refuses_refresh:
                self.reused.append(token)
                return 400, {"error": "invalid_grant"}
            kept["spent"] = True
        return 200, self._tokens(kept["person"])

    def userinfo(self, authorization: str) -> tuple[int, Any]:
        """Answer the userinfo endpoint."""
        self.counts["userinfo"] += 1
        person = self._access.get(authorization.removeprefix("Bearer "))
        return (401, {"error": "invalid_token"}) if person is None else (200, person.claims)

    def gitlab_user(self, authorization: str) -> tuple[int, Any]:
        """Answer GitLab's own /api/v4/user."""
        person = self._access.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {"message": "401 Unauthorized"}
        told = {"id": int(person.sub), "username": "ann", "name": person.name, "state": "active", "locked": False}
        return 200, told | {"email": person.email, "email_verified": person.email_verified, "avatar_url": None}

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        self.counts["metadata"] += 1
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        } | self.switches.metadata

    def jwks(self) -> dict[str, Any]:
        """Return the published keys."""
        self.counts["jwks"] += 1
        return {"keys": [self.key.as_dict(private=False)]}


def _is_us(form: Mapping[str, str], authorization: str) -> bool:
    if authorization.startswith("Basic "):
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)
    return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bomb(size: int) -> bytes:
    """Return a JSON text of so many bytes, packed very small."""
    return gzip.compress(b'{"sub": "' + b"a" * size + b'"}')


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider in a thread."""
    provider = Provider()
    thread = threading.Thread(target=provider.serve, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.stop()
        thread.join(5)
