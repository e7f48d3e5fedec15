"""What is no route, and the pages that are."""

from tests.differential.people import signed_up
from tests.differential.site import Site

VARIANT = "default"


def routes_and_methods(site: Site) -> None:
    browser = site.browser()
    for method, path in (
        ("GET", "/ok"),
        ("HEAD", "/ok"),
        ("POST", "/ok"),
        ("GET", "/ok/"),
        ("GET", "//ok"),
        ("GET", "/OK"),
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/nope"),
        ("POST", "/nope"),
        ("GET", "/sign-in/email"),
        ("PUT", "/sign-in/email"),
        ("DELETE", "/get-session"),
        ("PATCH", "/update-user"),
        ("OPTIONS", "/get-session"),
        ("GET", "/sign-out"),
        ("GET", "/delete-user"),
        ("POST", "/list-sessions"),
        ("POST", "/verify-email"),
        ("GET", "/request-password-reset"),
    ):
        browser.ask(method, path)


def the_error_page(site: Site) -> None:
    browser = site.browser()
    for query in (
        "",
        "?error=abc",
        "?error=abc&error_description=hi%20x",
        "?error=state_not_found",
        "?error=%3Cb%3E",
        "?error=a%20b",
        "?error=&error_description=x",
        "?error_description=x",
    ):
        browser.get(f"/error{query}")


def bodies_that_are_not_what_they_say(site: Site) -> None:
    ann = signed_up(site)
    for content, media_type in (
        ('{"name":"x"}', "text/plain"),
        ('{"name":"x"}', None),
        ('{"name":"x"}', "application/json;charset=utf-8"),
        ('{"name":"x"}', "APPLICATION/JSON"),
        ('{"name":"x"}', "application/vnd.api+json"),
        ("name=x", "application/x-www-form-urlencoded"),
        ('{"name":"x"', "application/json"),
        ('{"name":"x"} ', "application/json"),
        ("", "application/json"),
    ):
        ann.post("/update-user", content, content_type=media_type)
    ann.post("/revoke-sessions", "{", content_type="application/json")
    site.browser().post("/sign-out", "x", content_type="text/plain")
