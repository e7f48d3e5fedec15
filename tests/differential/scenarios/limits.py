"""How often one may ask."""

from tests.differential.people import PASSWORD, signed_in, signed_up
from tests.differential.site import Browser, Site

VARIANT = "limited"


def _at(browser: Browser, address: str, path: str, body: object, times: int) -> None:
    for _ in range(times):
        browser.post(path, body, x_forwarded_for=address)


def limits_of_signing_in(site: Site) -> None:
    signed_up(site)
    wrong = {"email": site.email("ann"), "password": "password12x"}
    _at(site.browser(), "198.51.100.1", "/sign-in/email", wrong, 4)
    _at(site.browser(), "198.51.100.2", "/sign-in/email", wrong | {"password": PASSWORD}, 1)
    _at(site.browser(), "198.51.100.1", "/sign-in/social", {"provider": "zzz"}, 4)


def limits_of_signing_up(site: Site) -> None:
    _at(site.browser(), "198.51.100.3", "/sign-up/email", {}, 4)


def limits_of_passwords_and_addresses(site: Site) -> None:
    ann = signed_up(site)
    _at(ann, "198.51.100.4", "/change-password", {}, 4)
    _at(ann, "198.51.100.4", "/change-email", {}, 4)


def limits_of_mail(site: Site) -> None:
    someone = {"email": site.email("nobody")}
    _at(site.browser(), "198.51.100.5", "/request-password-reset", someone, 4)
    _at(site.browser(), "198.51.100.5", "/send-verification-email", someone, 4)


def limits_of_an_ipv6_network(site: Site) -> None:
    signed_up(site)
    for last in range(4):
        site.browser().post("/sign-in/email", {}, x_forwarded_for=f"2001:db8:1:2::{last + 1}")
    site.browser().post("/sign-in/email", {}, x_forwarded_for="2001:db8:1:3::1")


def limits_of_everything_else(site: Site) -> None:
    ann = signed_in(site, "nobody")
    for _ in range(5):
        ann.get("/ok")
