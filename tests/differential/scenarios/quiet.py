"""Where nothing is switched on but passwords, and signing up does not sign in."""

from tests.differential.people import PASSWORD, signed_in, signed_up
from tests.differential.site import Site

VARIANT = "quiet"


def signing_up_without_signing_in(site: Site) -> None:
    ann = signed_up(site)
    ann.get("/get-session")
    signed_up(site, image="https://x/y.png", emailVerified=True)
    signed_in(site).get("/get-session")


def what_is_switched_off(site: Site) -> None:
    signed_up(site)
    ann = signed_in(site)
    ann.post("/change-email", {"newEmail": site.email("anna")})
    ann.post("/change-email", {"newEmail": site.email("ann")})
    ann.post("/change-email", {})
    ann.post("/delete-user", {"password": PASSWORD})
    ann.post("/delete-user")
    ann.get("/delete-user/callback?token=x")
    site.browser().get("/delete-user/callback?token=x")
    site.browser().post("/delete-user")
    for email in (site.email("ann"), site.email("nobody")):
        site.browser().post("/request-password-reset", {"email": email})
    site.browser().get("/reset-password/bad?callbackURL=%2Fx")
    site.browser().post("/reset-password", {"newPassword": "password789", "token": "bad"})
