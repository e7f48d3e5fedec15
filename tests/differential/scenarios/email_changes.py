"""Another address for somebody who has not proved the first."""

from tests.differential.people import EVIL, PASSWORD, signed_up, token_in
from tests.differential.site import Site

VARIANT = "default"


def changing_an_address(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/change-email", {"newEmail": site.email("Anna"), "callbackURL": "/x"})
    link = site.mail(site.email("anna"))
    ann.get("/get-session")
    ann.get(f"/verify-email?token={token_in(link)}")
    ann.get("/get-session")
    ann.follow(link)
    site.browser().post("/sign-in/email", {"email": site.email("anna"), "password": PASSWORD})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})


def changing_an_address_from_another_browser(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/change-email", {"newEmail": site.email("anna")})
    site.browser().follow(site.mail(site.email("anna")))
    ann.get("/get-session")


def changes_that_are_refused(site: Site) -> None:
    ann = signed_up(site)
    signed_up(site, "ben")
    for body in (
        {"newEmail": site.email("ann")},
        {"newEmail": site.email("Ann")},
        {"newEmail": site.email("ben")},
        {"newEmail": "nope"},
        {},
        {"newEmail": site.email("x"), "callbackURL": EVIL},
    ):
        ann.post("/change-email", body)
    site.browser().post("/change-email", {"newEmail": site.email("x")})
    ann.get("/get-session")


def an_address_taken_meanwhile(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/change-email", {"newEmail": site.email("anna")})
    link = site.mail(site.email("anna"))
    signed_up(site, "anna")
    ann.get(f"/verify-email?token={token_in(link)}")
    ann.get("/get-session")
