"""The settings of Redis' address and of our keys in it."""

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from runtime.settings import Settings, from_env
from services.cache.redis.sentinels import Sentinels

SCHEMES = ("redis", "rediss", "unix")
KEY_PREFIX = re.compile(r"[!-~]{1,64}")


class RedisSettings(Settings):
    """The address of Redis and the prefix of our keys, which operators' commands read too."""

    redis_url: SecretStr = from_env(
        "REDIS_URL",
        default=SecretStr(""),
        description="Redis: redis://, rediss:// (TLS), unix://, or for Sentinel "
        "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE, with the sentinels' own password as ?sentinel_password=.",
    )
    redis_host: str = from_env(
        "REDIS_HOST", default="127.0.0.1", description="The host of Redis. Used only if REDIS_URL is unset."
    )
    redis_port: int = from_env(
        "REDIS_PORT", default=6379, ge=1, le=65535, description="The port of Redis. Used only if REDIS_URL is unset."
    )
    prefix: str = from_env("TRIVET_CACHE_PREFIX", default="trivet:", description="The prefix of all keys in Redis.")

    @field_validator("prefix")
    @classmethod
    def _begins_a_key(cls, value: str) -> str:
        if not KEY_PREFIX.fullmatch(value):
            raise ValueError("must be 1 to 64 characters of visible ASCII")
        return value

    @model_validator(mode="after")
    def _has_a_url(self) -> Self:
        if not self.redis_url.get_secret_value():
            self.redis_url = SecretStr(f"redis://{self.redis_host}:{self.redis_port}/0")
        url = self.redis_url.get_secret_value()
        try:
            is_known = Sentinels.of(url) is not None or urlsplit(url).scheme in SCHEMES
        except ValueError:  # its text can contain a secret
            is_known = False
        if not is_known:
            raise ValueError(
                "REDIS_URL must be like redis://host:6379/0, rediss://host:6380/0 or "
                "redis+sentinel://host:26379,host:26379/service-name"
            )
        return self
