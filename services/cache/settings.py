"""The settings of the cache service."""

from runtime.settings import ServiceSettings, from_env
from services.cache.redis.settings import RedisSettings


class CacheSettings(RedisSettings, ServiceSettings):
    """The settings of the cache service, in addition to those of every service."""

    port: int = from_env("TRIVET_CACHE_PORT", default=50053, ge=0, le=65535, description="The gRPC port.")
