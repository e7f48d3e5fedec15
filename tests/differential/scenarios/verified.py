"""Where an address must be proved before it opens anything."""

from tests.differential.people import PASSWORD, signed_in, signed_up, token_in
from tests.differential.site import Browser, Site

VARIANT = "verified"


def _verified(site: Site, name: str = "ann") -> Browser:
    browser = signed_up(site, name)
    browser.follow(site.mail(site.email(name)))
    return browser


def signing_up_unverified(site: Site) -> None:
    ann = site.browser()
    new = {"name": "Ann", "email": site.email("ann"), "password": PASSWORD}
    ann.post("/sign-up/email", new | {"callbackURL": "/welcome"})
    link = site.mail(site.email("ann"))
    ann.get("/get-session")
    site.browser().post("/sign-up/email", new)
    site.browser().post("/sign-up/email", new | {"name": "Other", "image": "https://x/y.png", "foo": 1})
    site.browser().post("/sign-up/email", new | {"password": "short"})
    ann.post("/sign-in/email", {"email": site.email("ann"), "password": "password12x"})
    ann.post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})
    second = site.mail(site.email("ann"))
    ann.follow(link)
    ann.get("/get-session")
    site.browser().follow(second)
    ann.post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})
    site.browser().post("/sign-up/email", new)


def verifying_signs_in(site: Site) -> None:
    signed_up(site)
    token = token_in(site.mail(site.email("ann")))
    fresh = site.browser()
    fresh.get(f"/verify-email?token={token}")
    fresh.get("/get-session")
    again = site.browser()
    again.get(f"/verify-email?token={token}")
    again.get("/get-session")


def resetting_unverified(site: Site) -> None:
    signed_up(site)
    site.mail(site.email("ann"))
    site.browser().post("/request-password-reset", {"email": site.email("ann"), "redirectTo": "/r"})
    token = token_in(site.mail(site.email("ann")))
    site.browser().post("/reset-password", {"newPassword": "password456", "token": token})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": "password456"})


def deleting_by_mail(site: Site) -> None:
    ann = _verified(site)
    ann.post("/delete-user", {"callbackURL": "/gone"})
    link = site.mail(site.email("ann"))
    site.browser().follow(link)
    ben = _verified(site, "ben")
    ben.get(f"/delete-user/callback?token={token_in(link)}")
    ann.get("/delete-user/callback?token=bad")
    ann.get("/delete-user/callback")
    ann.get("/delete-user/callback?token=bad&callbackURL=https%3A%2F%2Fevil.com")
    ann.post("/delete-user", {"token": "bad"})
    ann.post("/delete-user", {"password": "password12x"})
    ann.post("/delete-user", {"password": PASSWORD, "callbackURL": "/gone?a=b"})
    second = site.mail(site.email("ann"))
    ann.follow(second)
    ann.get("/get-session")
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})


def deleting_with_a_token_in_the_body(site: Site) -> None:
    ann = _verified(site)
    other = signed_in(site)
    ann.post("/delete-user", {})
    token = token_in(site.mail(site.email("ann")))
    other.post("/delete-user", {"token": token})
    ann.get("/get-session")


def deleting_by_callback_without_a_redirect(site: Site) -> None:
    ann = _verified(site)
    ann.post("/delete-user")
    ann.post("/delete-user", {})
    ann.get(f"/delete-user/callback?token={token_in(site.mail(site.email('ann')))}")


def changing_a_verified_address(site: Site) -> None:
    ann = _verified(site)
    ann.post("/change-email", {"newEmail": site.email("Anna"), "callbackURL": "/changed"})
    first = site.mail(site.email("ann"))
    ann.get("/get-session")
    ann.follow(first)
    second = site.mail(site.email("anna"))
    ann.get("/get-session")
    ann.follow(second)
    ann.get("/get-session")
    ann.follow(second)
    site.browser().follow(first)
    site.browser().post("/sign-in/email", {"email": site.email("anna"), "password": PASSWORD})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})


def changing_an_address_while_somebody_else_is_signed_in(site: Site) -> None:
    ann = _verified(site)
    ben = _verified(site, "ben")
    ann.post("/change-email", {"newEmail": site.email("anna")})
    link = site.mail(site.email("ann"))
    ben.follow(link)
    ben.get(f"/verify-email?token={token_in(link)}")
    site.browser().get(f"/verify-email?token={token_in(link)}")
    site.browser().get(f"/verify-email?token={token_in(site.mail(site.email('anna')))}")
    ann.get("/get-session")
