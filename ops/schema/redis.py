"""The address of Redis for operators' commands."""

import os
from dataclasses import dataclass, field

from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.running import found as running_stack
from ops.stack.stores import is_given

ABSENT = "set REDIS_URL, or start the stack with `trivet run`"


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is, and the prefix of our keys."""

    url: str = field(repr=False)
    prefix: str


def address() -> RedisAddress | None:
    """Return the address in the settings, else the running stack's; None if there is neither."""
    from services.cache.redis.settings import RedisSettings

    settings = read_settings(RedisSettings)
    if is_given("redis", os.environ):
        return RedisAddress(settings.redis_url.get_secret_value(), settings.prefix)
    running = running_stack(read_settings(OpsSettings).data_folder)
    url = running.stores.get("REDIS_URL") if running else None
    return RedisAddress(url, settings.prefix) if url else None
