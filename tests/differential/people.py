"""What nearly every scenario begins with."""

from urllib.parse import parse_qs, urlsplit

from tests.differential.site import Browser, Site

PASSWORD = "password123"
EVIL = "https://evil.com"


def signed_up(site: Site, name: str = "ann", **extra: object) -> Browser:
    """Return the browser of somebody new, signed in if the variant signs in."""
    browser = site.browser()
    browser.post("/sign-up/email", {"name": name.title(), "email": site.email(name), "password": PASSWORD, **extra})
    return browser


def signed_in(site: Site, name: str = "ann", **extra: object) -> Browser:
    """Return another browser of somebody who has an account."""
    browser = site.browser()
    browser.post("/sign-in/email", {"email": site.email(name), "password": PASSWORD, **extra})
    return browser


def token_in(link: str) -> str:
    """Return the token of a mailed link: in its query, or the end of its path."""
    parts = urlsplit(link)
    return parse_qs(parts.query).get("token", [parts.path.rpartition("/")[2]])[0]
