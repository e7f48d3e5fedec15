"""How operations fail, as responses: one error schema per operation, whose reasons or codes are an enum."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.api.json_decoding import merge
from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import Failures
from gateway.api.query_decoding import merge_query
from gateway.api.transcoder import read_json
from gateway.http.csrf import refuse_foreign_pages
from gateway.http.errors import DOMAIN, HTTP_STATUS, NOT_SIGNED_IN, Cause
from gateway.middleware.admission import Admission
from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.error_handler import BODY_BROKEN_OFF, INTERNAL
from gateway.middleware.host_header import HostHeader
from gateway.sessions.token_guesses import TOO_MANY_WRONG_SIGNATURES, TOO_MANY_WRONG_TOKENS

Json = dict[str, Any]

TYPE_URL = "type.googleapis.com/google.rpc."
RETRY_AFTER: Json = {
    "Retry-After": {
        "description": "After how many seconds the request can be sent again.",
        "schema": {"type": "integer", "examples": [1]},
    }
}
RETRIED = ("429", "503")
"""Statuses whose answers say when to try again."""


DEADLINE_EXCEEDED = Cause("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
REQUIRED_FIELD_MISSING = Cause("INVALID_ARGUMENT", "REQUIRED_FIELD_MISSING")
"""What the interceptors of every service answer."""
OF_BODIES = (BODY_BROKEN_OFF, *raised_by(BodyLimit, Cause))
OF_EVERY_REQUEST = (
    DEADLINE_EXCEEDED,
    INTERNAL,
    *(cause for each in (HostHeader, Admission) for cause in raised_by(each, Cause)),
)
OF_SESSIONS = (NOT_SIGNED_IN, TOO_MANY_WRONG_TOKENS)
OF_SIGNATURES = (TOO_MANY_WRONG_SIGNATURES,)
OF_CHANGES = tuple(raised_by(refuse_foreign_pages, Cause))
OF_JSON_BODIES = tuple(raised_by(read_json, Cause)) + tuple(raised_by(merge, Cause))
OF_CALLS = (REQUIRED_FIELD_MISSING, *raised_by(merge_query, Cause, but=(merge,)))
"""Failures by what a request passes: middlewares, the session, the transcoder."""


def causes_of(failures: Failures) -> Iterable[Cause]:
    """Yield what an RPC itself fails with."""
    for code, reasons in failures.items():
        yield from (Cause(code, reason) for reason in sorted(reasons) or [""])


class Errors:
    """Makes the responses of operations, and collects the schemas that these refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = dict(SHARED)

    def of_resources(self, name: str, causes: Iterable[Cause]) -> dict[str, Json]:
        """Return the failures of an operation in the shape of AIP-193, by status."""
        grouped = _by_status(causes)
        reasons = sorted({reason for found in grouped.values() for _, reason in found if reason})
        self.components |= _aip_193(name, reasons)
        return {str(status): _response(_sentence(found), f"{name}Error", status) for status, found in grouped.items()}

    def of_auth(
        self, name: str, codes: Mapping[str, int], *, without_body: Mapping[int, str], without_code: Mapping[int, str]
    ) -> dict[str, Json]:
        """Return the failures of an operation of the Better Auth protocol, by status.

        `codes` have a status each; `without_body` and `without_code` are sentences by status.
        """
        self.components[f"{name}Code"] = {
            "type": "string",
            "enum": sorted(codes),
            "description": "Why the request was refused. Clients translate by it.",
        }
        self.components[f"{name}Error"] = {
            "type": "object",
            "description": "A failure, in the shape of the Better Auth protocol.",
            "required": ["message"],
            "properties": {
                "message": {"type": "string", "description": "One sentence for people.", "examples": ["Unauthorized"]},
                "code": {"$ref": f"#/components/schemas/{name}Code"},
            },
        }
        grouped = _by_status(Cause("", code, status) for code, status in codes.items())
        sentences = {status: _sentence(found) for status, found in grouped.items()}
        for status, sentence in without_code.items():
            sentences[status] = f"{sentences[status]} {sentence}" if status in sentences else sentence
        made = {str(status): _response(sentence, f"{name}Error", status) for status, sentence in sentences.items()}
        for status, sentence in without_body.items():
            if status in sentences:
                made[str(status)]["description"] += f" {sentence}"
            else:
                made[str(status)] = {"description": sentence}
        return dict(sorted(made.items()))


def _by_status(causes: Iterable[Cause]) -> dict[int, list[tuple[str, str]]]:
    """Return the statuses in their order, each with its pairs of code and reason."""
    found: dict[int, dict[tuple[str, str], None]] = {}
    for cause in causes:
        found.setdefault(cause.http_status, {})[cause.code, cause.reason] = None
    return {status: sorted(pairs) for status, pairs in sorted(found.items())}


def _sentence(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the description of a status: each gRPC code with its reasons."""
    by_code: dict[str, list[str]] = {}
    for code, reason in pairs:
        by_code.setdefault(code, []).extend([f"`{reason}`"] if reason else [])
    parts = (
        f"{code}: {', '.join(reasons)}" if code and reasons else code or ", ".join(reasons)
        for code, reasons in by_code.items()
    )
    return f"{'; '.join(parts)}."


def _response(description: str, schema: str, status: int) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    headers = {"headers": RETRY_AFTER} if str(status) in RETRIED else {}
    return {"description": description, **headers, "content": content}


def _aip_193(name: str, reasons: list[str]) -> dict[str, Json]:
    """Return the schemas of one operation's failures."""
    described = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    info = {
        "type": "object",
        "description": "Why the request failed, for programs.",
        "required": ["@type", "reason", "domain"],
        "properties": {
            "@type": {"type": "string", "enum": [f"{TYPE_URL}ErrorInfo"]},
            "reason": {"$ref": f"#/components/schemas/{name}Reason"},
            "domain": {"type": "string", "enum": [DOMAIN]},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    details = [{"$ref": f"#/components/schemas/{part}"} for part in (f"{name}ErrorInfo", "BadRequest", "RetryInfo")]
    failure = {
        "type": "object",
        "required": ["code", "status", "message", "details"],
        "properties": {
            "code": {"type": "integer", "description": "The HTTP status.", "examples": [400]},
            "status": {"$ref": "#/components/schemas/StatusCode"},
            "message": {"type": "string", "description": "One sentence for people.", "examples": ["sign in first"]},
            "details": {
                "type": "array",
                "description": "Details by type. Empty if the gateway got no answer from a service.",
                "items": {"anyOf": details},
            },
        },
    }
    return {
        f"{name}Reason": {
            "type": "string",
            "enum": reasons,
            "description": f"The reasons for which {described} fails.",
        },
        f"{name}ErrorInfo": info,
        f"{name}Error": {
            "type": "object",
            "description": f"A failure of {described}, in the shape of AIP-193.",
            "required": ["error"],
            "properties": {"error": failure},
        },
    }


SHARED: dict[str, Json] = {
    "StatusCode": {"type": "string", "enum": list(HTTP_STATUS), "description": "A gRPC status code by its name."},
    "BadRequest": {
        "type": "object",
        "description": "Which fields of the request are wrong.",
        "required": ["@type", "fieldViolations"],
        "properties": {
            "@type": {"type": "string", "enum": [f"{TYPE_URL}BadRequest"]},
            "fieldViolations": {
                "type": "array",
                "description": "One for each wrong field.",
                "items": {"$ref": "#/components/schemas/FieldViolation"},
            },
        },
    },
    "FieldViolation": {
        "type": "object",
        "description": "One field that is wrong.",
        "required": ["field", "description"],
        "properties": {
            "field": {"type": "string", "description": "The path of the field.", "examples": ["page_size"]},
            "description": {
                "type": "string",
                "description": "What is wrong with it.",
                "examples": ["page_size must be from 1 to 1000, not 0"],
            },
        },
    },
    "RetryInfo": {
        "type": "object",
        "description": "When the request can be sent again.",
        "required": ["@type", "retryDelay"],
        "properties": {
            "@type": {"type": "string", "enum": [f"{TYPE_URL}RetryInfo"]},
            "retryDelay": {"type": "string", "description": "A duration in seconds.", "examples": ["1s"]},
        },
    },
}
