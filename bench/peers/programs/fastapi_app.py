"""A session check as a team would write it: FastAPI, SQLAlchemy's ORM, one SELECT with a join, on Trivet's tables.

Read by uvicorn in a virtual environment of its own; the database is named by PEER_DATABASE.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, contains_eager, mapped_column, relationship

engine = create_async_engine(os.environ["PEER_DATABASE"], pool_size=10)
open_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    image: Mapped[str | None]
    email_verified: Mapped[bool]
    banned: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Session(Base):
    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[str]
    expires_at: Mapped[datetime]
    ip_address: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    user: Mapped[User] = relationship()


class UserAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    email: str
    name: str
    image: str | None
    email_verified: bool
    created_at: datetime
    updated_at: datetime


class SessionAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    user_id: str
    expires_at: datetime
    ip_address: str
    user_agent: str
    created_at: datetime
    updated_at: datetime
    user: UserAnswer


async def database() -> AsyncIterator[AsyncSession]:
    async with open_session() as session:
        yield session


@app.get("/session")
async def get_session(
    session_token: Annotated[str, Cookie()], database: Annotated[AsyncSession, Depends(database)]
) -> SessionAnswer:
    """Return the session of the cookie and its user. Fails with 401 without a valid session."""
    hashed = hashlib.sha256(session_token.encode()).hexdigest()
    statement = (
        select(Session)
        .join(Session.user)
        .options(contains_eager(Session.user))
        .where(Session.token_hash == hashed, Session.expires_at > datetime.now(UTC).replace(tzinfo=None))
        .where(User.banned.is_(False))
    )
    found = (await database.execute(statement)).scalar_one_or_none()
    if found is None:
        raise HTTPException(401)
    return SessionAnswer.model_validate(found)
