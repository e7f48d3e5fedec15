"""Leaving."""

from tests.differential.people import PASSWORD, signed_in, signed_up
from tests.differential.site import Site

VARIANT = "default"


def deleting_an_account(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    ann.post("/delete-user", {"password": "zzzzzzzzz"})
    ann.post("/delete-user", {"password": "x" * 129})
    ann.post("/delete-user", {"token": "bad"})
    ann.post("/delete-user", {"password": 5})
    ann.post("/delete-user", {"password": PASSWORD, "callbackURL": "https://evil.com"})
    ann.get("/delete-user/callback?token=bad")
    site.browser().get("/delete-user/callback?token=bad")
    site.browser().post("/delete-user", {"password": PASSWORD})
    ann.post("/delete-user", {"password": PASSWORD})
    ann.get("/get-session")
    other.get("/get-session")
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})


def deleting_with_a_fresh_session_alone(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/delete-user", {})
    signed_up(site, "ann").post("/delete-user")
