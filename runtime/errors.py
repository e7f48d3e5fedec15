"""The closed list of what a service may fail with; only the edge knows what a status code is."""

from collections.abc import Mapping


class ServiceError(Exception):
    """A failure with a machine's word for it (`reason`) and a sentence for people.

    The sentence crosses the edge: it names what was wrong and where, never a host, a statement or a secret.
    """

    code = "INTERNAL"

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = metadata


class InvalidArgument(ServiceError):
    """What was sent can never be right. `field` is the path of the field at fault, if one is."""

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
    """There is nothing at all, which a cache may remember for as long as the RPC declares."""


class AlreadyExists(ServiceError):
    code = "ALREADY_EXISTS"


class FailedPrecondition(ServiceError):
    code = "FAILED_PRECONDITION"


class Aborted(ServiceError):
    """Lost a race that may be run again."""

    code = "ABORTED"


class ResourceExhausted(ServiceError):
    """The caller has used up a limit; `retry_after` is in seconds. An overload of ours is Unavailable."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(self, reason: str, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class DeadlineExceeded(ServiceError):
    code = "DEADLINE_EXCEEDED"


class Unavailable(ServiceError):
    """A store or a service cannot be reached now, or has too much to do. `retry_after` is in seconds, 0 if unknown."""

    code = "UNAVAILABLE"

    def __init__(self, reason: str, message: str, *, retry_after: float = 0.0, **metadata: str) -> None:
        super().__init__(reason, message, **metadata)
        self.retry_after = retry_after


class Unimplemented(ServiceError):
    code = "UNIMPLEMENTED"


class RefusedError(Exception):
    """The receiver does not take this message, though it is there: try it again later, and others meanwhile.

    The text says why, and holds no secret; `reason` is the receiver's own word. It is for the program that delivers,
    and never an answer to a caller.
    """

    def __init__(self, why: str = "", *, reason: str = "") -> None:
        super().__init__(why)
        self.reason = reason
