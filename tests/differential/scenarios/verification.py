"""Proving an address, where it is asked for and where it is not."""

from tests.differential.people import EVIL, PASSWORD, signed_in, signed_up, token_in
from tests.differential.site import Site

VARIANT = "default"


def verifying_an_address(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/send-verification-email", {"email": site.email("ann"), "callbackURL": "/v"})
    link = site.mail(site.email("ann"))
    token = token_in(link)
    site.browser().get(f"/verify-email?token={token}")
    ann.get("/get-session")
    site.browser().get(f"/verify-email?token={token}")
    site.browser().follow(link)
    ann.post("/send-verification-email", {"email": site.email("ann")})
    site.browser().post("/send-verification-email", {"email": site.email("ann")})


def verifying_with_a_callback(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/send-verification-email", {"email": site.email("ann"), "callbackURL": "/a?b=c&d=é"})
    link = site.mail(site.email("ann"))
    site.browser().get(f"/verify-email?token={token_in(link)}&callbackURL={EVIL}")
    ann.follow(link)
    ann.get("/get-session")


def asking_for_a_verification(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/send-verification-email", {"email": site.email("ben")})
    for body in ({}, {"email": "nope"}, {"email": site.email("ann"), "callbackURL": EVIL}, {"email": 5}):
        ann.post("/send-verification-email", body)
    site.browser().post("/send-verification-email", {"email": site.email("nobody")})
    site.browser().post("/send-verification-email", {"email": site.email("ann")})
    site.browser().follow(site.mail(site.email("ann")))


def verifications_that_are_none(site: Site) -> None:
    for query in (
        "token=bad",
        "token=bad&callbackURL=%2Fv",
        "token=bad&callbackURL=%2Fv%3Fa%3Db",
        "token=bad&callbackURL=https%3A%2F%2Fapp.example.com%2Fv",
        f"token=bad&callbackURL={EVIL}",
        "token=",
        "callbackURL=%2Fv",
        "",
        "token=eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jbyJ9.",
        # What the original signed with this secret, long ago.
        "token=eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSIsInVzZXJJZCI6IndkNVBGdjNiTEZ4SGU1RER2OVMxNTRV"
        "ZkZBZFA3d3dlIiwiaWF0IjoxNzk1MzEyMzkwLCJleHAiOjE3OTUzMTU5OTB9.fEA1iQbsoqIldpWlbmWJ6tDJzjMGxO63cEVcWv9STGI",
    ):
        site.browser().get(f"/verify-email?{query}")


def verifying_while_somebody_else_is_signed_in(site: Site) -> None:
    signed_up(site)
    ben = signed_up(site, "ben")
    site.browser().post("/send-verification-email", {"email": site.email("ann")})
    ben.follow(site.mail(site.email("ann")))
    ben.get("/get-session")
    signed_in(site).get("/get-session")
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})
