"""PyPI's better-auth-server as it is fastest by its own settings: no rate limit, SQLAlchemy, Redis where it is named.

Read by uvicorn in a virtual environment of its own, which PEER_DATABASE, PEER_SECRET, PEER_URL, PEER_REDIS and
PEER_COOKIE_CACHE tell what to do.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from better_auth import BetterAuth, EmailAndPassword, RateLimit, SessionOptions
from better_auth.adapters.sqlalchemy import SQLAlchemyAdapter
from better_auth.config import CookieCache
from better_auth.integrations.fastapi import BetterAuthFastAPI
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine


class RedisStorage:
    """Its secondary storage, on Redis."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(url, decode_responses=True)

    async def get(self, key: str) -> str | None:
        found: str | None = await self._redis.get(key)
        return found

    async def set(self, key: str, value: str, ttl: int | None = None) -> None:
        await self._redis.set(key, value, ex=ttl)

    async def delete(self, key: str) -> None:
        await self._redis.delete(key)


redis_url = os.environ["PEER_REDIS"]
adapter = SQLAlchemyAdapter(create_async_engine(os.environ["PEER_DATABASE"], pool_size=10))
auth = BetterAuth(
    secret=os.environ["PEER_SECRET"],
    base_url=os.environ["PEER_URL"],
    adapter=adapter,
    secondary_storage=RedisStorage(redis_url) if redis_url else None,
    email_and_password=EmailAndPassword(enabled=True),
    session=SessionOptions(cookie_cache=CookieCache(enabled=os.environ["PEER_COOKIE_CACHE"] == "on", max_age=3600)),
    rate_limit=RateLimit(enabled=False),
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await adapter.create_tables()
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(BetterAuthFastAPI(auth).router)
