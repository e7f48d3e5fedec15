"""What each provider says of a person, as its documents have it."""

from typing import Any

import pytest

from services.identity.oauth.providers import profiles
from services.identity.oauth.providers.profiles import Profile, ReadProfile

CASES: list[tuple[ReadProfile, list[Any], tuple[str, str, bool, str, str | None]]] = [
    (
        profiles.github,
        [
            {"id": 583231, "login": "octocat", "name": None, "email": None, "avatar_url": "https://a/1"},
            [
                {"email": "other@x.io", "primary": False, "verified": True},
                {"email": "Octo@X.io", "primary": True, "verified": True},
            ],
        ],
        ("583231", "octo@x.io", True, "octocat", "https://a/1"),
    ),
    (
        profiles.github,
        [{"id": 1, "login": "o", "email": "o@x.io"}, [{"email": "o@x.io", "verified": False}]],
        ("1", "o@x.io", False, "o", None),
    ),
    (
        profiles.github,
        [{"id": 1, "login": "o", "email": "o@x.io"}, {"message": "no"}],
        ("1", "o@x.io", False, "o", None),
    ),
    (
        profiles.discord,
        [
            {
                "id": "80351110224678912",
                "username": "nelly",
                "global_name": None,
                "avatar": "a_f",
                "email": "n@x.io",
                "verified": True,
            }
        ],
        ("80351110224678912", "n@x.io", True, "nelly", "https://cdn.discordapp.com/avatars/80351110224678912/a_f.gif"),
    ),
    (
        profiles.discord,
        [
            {
                "id": "80351110224678912",
                "username": "nelly",
                "global_name": "Nelly",
                "avatar": None,
                "discriminator": "1337",
            }
        ],
        ("80351110224678912", "", False, "Nelly", "https://cdn.discordapp.com/embed/avatars/2.png"),
    ),
    (
        profiles.gitlab,
        [{"id": 7, "username": "j", "name": "Jo", "state": "active", "email": "j@x.io", "avatar_url": "https://a/7"}],
        ("7", "j@x.io", False, "Jo", "https://a/7"),
    ),
    (profiles.gitlab, [{"id": 7, "state": "blocked", "email": "j@x.io"}], ("", "j@x.io", False, "", None)),
    (
        profiles.openid,
        [{"sub": "s", "email": "S@X.io", "email_verified": "true", "name": "S\x1b[31m", "picture": "https://p"}],
        ("s", "s@x.io", True, "S[31m", "https://p"),
    ),
    (
        profiles.openid,
        [{"sub": True, "email": 7, "email_verified": 1, "name": [], "picture": {}}],
        ("", "", False, "", None),
    ),
    (
        profiles.microsoft,
        [{"oid": "o", "sub": "pairwise", "email": "m@x.io", "verified_primary_email": ["m@x.io"], "name": "M"}],
        ("o", "m@x.io", True, "M", None),
    ),
    (profiles.microsoft, [{"oid": "o", "email": "m@x.io"}], ("o", "m@x.io", False, "", None)),
    (profiles.microsoft, [{"sub": "pairwise", "email": "m@x.io"}], ("", "m@x.io", False, "", None)),
]


@pytest.mark.parametrize(("read", "documents", "expected"), CASES)
def test_a_profile_is_read(read: ReadProfile, documents: list[Any], expected: tuple[object, ...]) -> None:
    found = read(documents)
    assert (found.account_id, found.email, found.email_verified, found.name, found.image) == expected


@pytest.mark.parametrize(
    "read", [profiles.github, profiles.discord, profiles.gitlab, profiles.openid, profiles.microsoft]
)
@pytest.mark.parametrize("document", [None, [], "x", 7, {}, {"id": [], "sub": {}, "oid": 1.5, "email": "x" * 400}])
def test_nonsense_is_nobody(read: ReadProfile, document: Any) -> None:
    found = read([document])
    assert not found.has_identity
    assert found.email == ""


@pytest.mark.parametrize("account_id", ["", " a", "a ", "a\n", "a\x00b", "x" * 256, "null", "undefined"])
def test_some_ids_are_none(account_id: str) -> None:
    """O3: an id that an engine might take for another's opens nothing."""
    assert not Profile(account_id, "a@x.io", True, "A", None, {}).has_identity
