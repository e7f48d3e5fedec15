"""Reads the profiles of providers into one form, from the fields that better-auth 1.7.24 reads.

A reader takes the documents of the provider's userinfo URLs, or only the claims of a verified id token.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import InvalidArgument
from services.identity.email.addresses import foreign_email
from services.identity.store.control_characters import CONTROLS

NAME_LENGTH = 255
IMAGE_LENGTH = 2_048
ACCOUNT_ID_LENGTH = 255

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's profile at a provider. `email` is in its stored form, empty if it is missing or not valid."""

    account_id: str
    email: str
    email_verified: bool
    name: str
    image: str | None
    claims: Claims

    @property
    def has_identity(self) -> bool:
        """Whether every engine can distinguish the account id from others: MySQL ignores trailing spaces."""
        account_id = self.account_id
        return (
            0 < len(account_id) <= ACCOUNT_ID_LENGTH
            and account_id == account_id.strip()
            and account_id not in ("undefined", "null")
            and not CONTROLS.search(account_id)
        )


ReadProfile = Callable[[Sequence[Any]], Profile]


def github(documents: Sequence[Any]) -> Profile:
    """Read /user and /user/emails. The primary address replaces a hidden one."""
    user = _object(documents[0])
    emails = [each for each in _list(documents[1] if len(documents) > 1 else None) if isinstance(each, dict)]
    email = user.get("email")
    if not email and emails:
        email = next((each for each in emails if each.get("primary")), emails[0]).get("email")
    verified = next((each.get("verified") for each in emails if each.get("email") == email), False)
    return _profile(
        dict(user) | {"email": email},
        account_id=user.get("id"),
        verified=verified,
        name=user.get("name") or user.get("login"),
        image=user.get("avatar_url"),
    )


def gitlab(documents: Sequence[Any]) -> Profile:
    """Read /api/v4/user. A blocked or locked user has no account id."""
    user = _object(documents[0])
    is_active = user.get("state") == "active" and not user.get("locked")
    return _profile(
        user,
        account_id=user.get("id") if is_active else None,
        verified=user.get("email_verified"),
        name=user.get("name") or user.get("username"),
        image=user.get("avatar_url"),
    )


def discord(documents: Sequence[Any]) -> Profile:
    """Read /users/@me. A user without a picture gets one of the default pictures."""
    user = _object(documents[0])
    return _profile(
        user,
        account_id=user.get("id"),
        verified=user.get("verified"),
        name=user.get("global_name") or user.get("username"),
        image=_discord_image(user),
    )


def _discord_image(user: Claims) -> str | None:
    user_id, avatar = str(user.get("id")), user.get("avatar")
    if isinstance(avatar, str):
        extension = "gif" if avatar.startswith("a_") else "png"
        return f"https://cdn.discordapp.com/avatars/{user_id}/{avatar}.{extension}"
    discriminator = str(user.get("discriminator", "0"))
    if not (user_id.isdigit() and discriminator.isdigit()):
        return None
    index = (int(user_id) >> 22) % 6 if discriminator == "0" else int(discriminator) % 5
    return f"https://cdn.discordapp.com/embed/avatars/{index}.png"


def openid(documents: Sequence[Any]) -> Profile:
    """Read the standard claims."""
    claims = _object(documents[0])
    return _profile(
        claims,
        account_id=claims.get("sub"),
        verified=claims.get("email_verified"),
        name=claims.get("name"),
        image=claims.get("picture"),
    )


def microsoft(documents: Sequence[Any]) -> Profile:
    """Read an Entra token. `oid` identifies the person for every application. Few tenants verify email addresses."""
    claims = _object(documents[0])
    email = claims.get("email")
    verified = claims.get("email_verified")
    if verified is None and email:
        proved = [*_list(claims.get("verified_primary_email")), *_list(claims.get("verified_secondary_email"))]
        verified = email in proved
    return _profile(
        claims,
        account_id=claims.get("oid"),
        verified=verified,
        name=claims.get("name"),
        image=claims.get("picture"),
    )


def _profile(claims: Claims, *, account_id: object, verified: object, name: object, image: object) -> Profile:
    # An id is a string or an int. A bool is an int too, but no id.
    known = isinstance(account_id, str) or (isinstance(account_id, int) and not isinstance(account_id, bool))
    email = claims.get("email")
    return Profile(
        account_id=str(account_id) if known else "",
        email=_email(email),
        email_verified=verified is True or verified == "true",
        name=CONTROLS.sub("", name)[:NAME_LENGTH] if isinstance(name, str) else "",
        image=image if isinstance(image, str) and len(image) <= IMAGE_LENGTH and not CONTROLS.search(image) else None,
        claims=claims,
    )


def _email(text: object) -> str:
    try:
        return foreign_email(text) if isinstance(text, str) else ""
    except InvalidArgument:
        return ""


def _object(document: object) -> Claims:
    return document if isinstance(document, dict) else {}


def _list(document: object) -> Sequence[Any]:
    return document if isinstance(document, list) else []
