"""A failed RPC as an HTTP answer: the table, what is passed on, and what never is."""

import httpx
import pytest

from gateway.middleware.deadline import REQUEST_SECONDS
from runtime import errors
from tests.api.gateway.conftest import running
from tests.api.gateway.stand_ins import USER, StandIns, never
from tests.harness.waiting import in_time
from trivet.client.channel import DEFAULT_TIMEOUT_SECONDS

TABLE = [
    (errors.InvalidArgument, 400),
    (errors.Unauthenticated, 401),
    (errors.PermissionDenied, 403),
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.FailedPrecondition, 400),
    (errors.Aborted, 409),
    (errors.ResourceExhausted, 429),
    (errors.DeadlineExceeded, 504),
    (errors.Unavailable, 503),
    (errors.Unimplemented, 501),
]


@pytest.mark.parametrize(("kind", "status"), TABLE, ids=lambda value: getattr(value, "__name__", value))
async def test_each_code_has_its_http_status_and_keeps_its_reason(
    http: httpx.AsyncClient, services: StandIns, kind: type[errors.ServiceError], status: int
) -> None:
    services.answers["DeleteNotification"] = kind("A_REASON", "a sentence")
    answer = await http.delete("/v1/notifications/n1", headers=USER)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error["status"], error["message"]) == (status, kind.code, "a sentence")
    assert error["details"][0] == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "A_REASON",
        "domain": "trivet",
    }


async def test_a_field_at_fault_is_passed_on(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["GetNotification"] = errors.InvalidArgument("BAD_MASK", "no such field", field="read_mask")
    answer = await http.get("/v1/notifications/n1", headers=USER)
    violation = answer.json()["error"]["details"][1]["fieldViolations"][0]
    assert violation == {"field": "read_mask", "description": "no such field"}


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (errors.ResourceExhausted("USED_UP", "come back later", retry_after=2.5), 429, "3"),
        (errors.Unavailable("BUSY", "come back later", retry_after=2.5), 503, "3"),
        (errors.Unavailable("STORE_UNAVAILABLE", "the database is away"), 503, "1"),
    ],
)
async def test_whoever_is_shed_learns_when_to_come_back(
    http: httpx.AsyncClient, services: StandIns, error: errors.ServiceError, status: int, seconds: str
) -> None:
    services.answers["DeleteNotification"] = error
    answer = await http.delete("/v1/notifications/n1", headers=USER)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, seconds)


async def test_what_nobody_expected_has_no_text(http: httpx.AsyncClient, services: StandIns) -> None:
    """G7."""
    services.answers["DeleteNotification"] = RuntimeError("SELECT secret FROM users at 10.0.0.7")
    answer = await http.delete("/v1/notifications/n1", headers=USER)
    assert answer.status_code == 500
    assert answer.json() == {"error": {"code": 500, "status": "INTERNAL", "message": "internal error", "details": []}}


async def test_a_service_that_is_away_is_503_and_its_address_is_not_told(stand_ins: StandIns) -> None:
    """G7: the library's own words for a refused connection name the host and port."""
    stand_ins.reset()
    async with running(stand_ins, TRIVET_NOTIFICATIONS_ADDRESS="127.0.0.1:1") as gateway:
        answer = await gateway.http.get("/v1/notifications", headers=USER)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["status"] == "UNAVAILABLE"
    assert "127.0.0.1" not in answer.text


async def test_a_service_that_hangs_is_given_up_within_the_deadline(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    services.answers["CountUnread"] = never
    answer = await http.get("/v1/notifications:countUnread", headers=USER)
    assert answer.status_code == 504
    in_time(answer.elapsed.total_seconds(), 0.9 * DEFAULT_TIMEOUT_SECONDS, 3 * REQUEST_SECONDS)
    assert (await http.get("/v1/notifications", headers=USER)).status_code == 200


async def test_a_failed_session_check_is_not_mistaken_for_being_signed_out(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    services.answers["VerifySession"] = errors.Unavailable("STORE_UNAVAILABLE", "the database is away")
    answer = await http.get("/v1/notifications", headers=USER)
    assert answer.status_code == 503
