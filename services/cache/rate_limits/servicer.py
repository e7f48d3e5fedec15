"""`trivet.cache.v1.RateLimitService`: decode, one call, encode."""

from prometheus_client import Counter

from runtime.errors import InvalidArgument
from runtime.rpc.interceptor_chain import Context
from services.cache import namespaces, request_validation
from services.cache.messages import caller, milliseconds
from services.cache.rate_limits.rate_limits import GcraLimits, WindowLimits
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest, AcquireResponse
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceServicer

acquired = Counter("trivet_cache_acquired_total", "Requests to acquire a rate limit, by outcome.", ["outcome"])
_allowed, _refused = acquired.labels("allowed"), acquired.labels("refused")


class RateLimitServicer(RateLimitServiceServicer):
    """Rate limits for every service that calls. The rules of each caller are separate."""

    def __init__(self, windows: WindowLimits, rates: GcraLimits) -> None:
        self._limits: dict[int, WindowLimits | GcraLimits] = {
            AcquireRequest.ALGORITHM_UNSPECIFIED: windows,
            AcquireRequest.ALGORITHM_WINDOW: windows,
            AcquireRequest.ALGORITHM_GCRA: rates,
        }

    async def Acquire(self, request: AcquireRequest, context: Context) -> AcquireResponse:
        rule = namespaces.rule_name(request.rule, caller())
        cost = request.cost if request.HasField("cost") else 1
        request_validation.check_limit(request.limit, cost)
        period_ms = request_validation.period_ms(request.period.ToNanoseconds())
        limits = self._limits.get(request.algorithm)
        if limits is None:
            raise InvalidArgument(
                "UNKNOWN_ALGORITHM", "algorithm must be ALGORITHM_WINDOW or ALGORITHM_GCRA", field="algorithm"
            )
        taken = await limits.acquire(rule, request.subject, request.limit, period_ms, cost)
        if taken.allowed:
            _allowed.inc()
            return AcquireResponse(allowed=True, remaining=taken.remaining)
        _refused.inc()
        wait = milliseconds(taken.retry_after_ms)
        return AcquireResponse(allowed=False, remaining=taken.remaining, retry_after=wait)
