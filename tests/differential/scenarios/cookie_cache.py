"""The session_data cookie in its first spelling."""

from tests.differential.people import PASSWORD, signed_in, signed_up
from tests.differential.site import Site

VARIANT = "compact"


def a_compact_cookie_cache(site: Site) -> None:
    ann = signed_up(site, name="ann")
    ann.get("/get-session")
    ann.get("/get-session?disableCookieCache=true")
    ann.cookies.pop("better-auth.session_data")
    ann.get("/get-session")
    ann.post("/update-user", {"name": "Änn 🎈"})
    ann.get("/get-session")
    ann.get("/list-sessions")
    change = {"newPassword": "password456", "currentPassword": PASSWORD, "revokeOtherSessions": True}
    ann.post("/change-password", change)
    ann.post("/sign-out", {})


def a_compact_cookie_cache_of_a_forgotten_session(site: Site) -> None:
    signed_up(site)
    ann = signed_in(site, rememberMe=False)
    ann.get("/get-session")
    ann.post("/update-user", {"name": "Ann B"})
    ann.post("/sign-out", {})


def a_planted_cookie_cache(site: Site) -> None:
    ann = signed_up(site)
    ben = signed_up(site, "ben")
    ann.cookies["better-auth.session_data"] = "nonsense"
    ann.get("/get-session")
    ann.cookies["better-auth.session_data"] = ben.cookies["better-auth.session_data"]
    ann.get("/get-session")
    ben.cookies.pop("better-auth.session_token")
    ben.get("/get-session")


def a_large_cookie_cache(site: Site) -> None:
    ann = signed_up(site, image="https://x/" + "y" * 1900)
    ann.post("/update-user", {"name": "é" * 250, "image": "https://x/" + "é" * 900 + "z" * 900})
    ann.get("/get-session")
    ann.post("/update-user", {"image": None})
    ann.post("/sign-out", {})


def deleting_with_a_cookie_cache(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/revoke-sessions", {})
    ann = signed_in(site)
    ann.post("/delete-user", {"password": PASSWORD})
