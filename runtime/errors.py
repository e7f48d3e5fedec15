"""The closed list of errors that a service raises. `runtime/rpc/status.py` maps them to gRPC status codes."""

from collections.abc import Mapping


class ServiceError(Exception):
    """A failure with a `reason` for programs and a `message` for people.

    Callers receive the message. It says what is wrong and where, and never holds a host name, a statement or a secret.
    """

    code = "INTERNAL"

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = metadata


class InvalidArgument(ServiceError):
    """The request can never succeed. `field` is the path of the wrong field; empty if no single field is wrong."""

    code = "INVALID_ARGUMENT"

    def __init__(self, reason: str, message: str, *, field: str = "") -> None:
        super().__init__(reason, message)
        self.field = field


class Unauthenticated(ServiceError):
    code = "UNAUTHENTICATED"


class PermissionDenied(ServiceError):
    code = "PERMISSION_DENIED"


class NotFound(ServiceError):
    code = "NOT_FOUND"


class Absent(NotFound):
    """The resource does not exist. A cache can keep this result for as long as the RPC declares."""


class AlreadyExists(ServiceError):
    code = "ALREADY_EXISTS"


class FailedPrecondition(ServiceError):
    code = "FAILED_PRECONDITION"


class Aborted(ServiceError):
    """The call lost a race with another. A retry can succeed."""

    code = "ABORTED"


class ResourceExhausted(ServiceError):
    """The caller has used up a limit; `retry_after` is in seconds. An overloaded server raises Unavailable."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(self, reason: str, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class DeadlineExceeded(ServiceError):
    code = "DEADLINE_EXCEEDED"


class Unavailable(ServiceError):
    """A store or a service cannot be reached, or is overloaded. `retry_after` is in seconds, 0 if unknown."""

    code = "UNAVAILABLE"

    def __init__(self, reason: str, message: str, *, retry_after: float = 0.0, **metadata: str) -> None:
        super().__init__(reason, message, **metadata)
        self.retry_after = retry_after


class Unimplemented(ServiceError):
    code = "UNIMPLEMENTED"


class DeliveryRejectedError(Exception):
    """The receiver answers and rejects this message. Retry it later; other messages can be delivered meanwhile.

    The text says why, without secrets. `reason` is the receiver's. Only programs that deliver messages see this error;
    it never becomes the status of a call.
    """

    def __init__(self, why: str = "", *, reason: str = "") -> None:
        super().__init__(why)
        self.reason = reason
