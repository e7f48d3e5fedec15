"""Where the processes and stores of a system are: those of the running stack, else those of the settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.running import found
from ops.stack.stores import is_given, sqlite_file, sqlite_url
from runtime.settings import Address, from_env, local_url, split_words


def _addresses(value: Any) -> Any:
    """Parse NAME=HOST:PORT,... into a mapping. Returns other values unchanged."""
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in split_words(value)]
    if any(not (name and equals and address.rpartition(":")[2].isdecimal()) for name, equals, address in pairs):
        raise ValueError("must be NAME=HOST:PORT by comma, for example gateway=10.0.0.5:9090,identity=10.0.0.6:9090")
    return {name: address for name, _, address in pairs}


class EndpointSettings(OpsSettings):
    """The addresses that `trivet doctor` and `trivet status` use if no stack of the data folder runs."""

    base_url: str = from_env("TRIVET_BASE_URL", default="", description="The public URL of the gateway.")
    identity_address: Address = from_env("TRIVET_IDENTITY_ADDRESS", default="127.0.0.1:50051", description="HOST:PORT.")
    notifications_address: Address = from_env(
        "TRIVET_NOTIFICATIONS_ADDRESS", default="127.0.0.1:50052", description="HOST:PORT."
    )
    cache_address: Address = from_env("TRIVET_CACHE_ADDRESS", default="127.0.0.1:50053", description="HOST:PORT.")
    metrics_addresses: Annotated[Mapping[str, str], NoDecode, BeforeValidator(_addresses)] = from_env(
        "TRIVET_METRICS_ADDRESSES",
        default={},
        description="NAME=HOST:PORT, by comma: where `trivet status` and `trivet doctor` read the metrics of each "
        "process, unless `trivet run` of this data folder runs.",
    )
    mongodb_uri: SecretStr = from_env("MONGODB_URI", "MONGODB_URL", default=SecretStr(""))
    redis_url: SecretStr = from_env("REDIS_URL", default=SecretStr(""))
    redis_host: str = from_env("REDIS_HOST", default="127.0.0.1")
    redis_port: int = from_env("REDIS_PORT", default=6379, ge=1, le=65535)


@dataclass(frozen=True)
class Endpoints:
    """The addresses of one system. A text that is empty, or a missing key, is an address that is not known."""

    is_running: bool
    """Whether `trivet run` runs on the data folder."""
    url: str
    services: Mapping[str, str]
    metrics: Mapping[str, str]
    sql: str = field(repr=False)
    mongodb: str = field(repr=False)
    redis: str = field(repr=False)


def endpoints(settings: EndpointSettings, environ: Mapping[str, str] = os.environ) -> Endpoints:
    """Return the addresses. Raises WrongSettings for a wrong address of the database."""
    running = found(settings.data_folder)
    embedded = running.stores if running else {}
    return Endpoints(
        is_running=running is not None,
        url=running.url if running else _url(settings),
        services=running.services if running else _services(settings),
        metrics=running.metrics if running else settings.metrics_addresses,
        sql=_sql(settings, environ),
        mongodb=settings.mongodb_uri.get_secret_value() or embedded.get("MONGODB_URI", ""),
        redis=_redis(settings, environ) or embedded.get("REDIS_URL", ""),
    )


def _url(settings: EndpointSettings) -> str:
    if settings.base_url or not settings.is_production:
        return settings.base_url.rstrip("/")
    return local_url(settings.host, settings.http_port)


def _services(settings: EndpointSettings) -> dict[str, str]:
    """Return the addresses of the settings. In development only those that are set: the others are not started."""
    return {
        name: getattr(settings, f"{name}_address")
        for name in ("identity", "notifications", "cache")
        if settings.is_production or f"{name}_address" in settings.model_fields_set
    }


def _sql(settings: EndpointSettings, environ: Mapping[str, str]) -> str:
    if is_given("sql", environ):
        from services.identity.store.engine.settings import StoreSettings

        return read_settings(StoreSettings, environ).address
    file = sqlite_file(settings.data_folder)
    return sqlite_url(settings.data_folder) if file.exists() and not settings.is_production else ""


def _redis(settings: EndpointSettings, environ: Mapping[str, str]) -> str:
    if not is_given("redis", environ):
        return ""
    return settings.redis_url.get_secret_value() or f"redis://{settings.redis_host}:{settings.redis_port}/0"
