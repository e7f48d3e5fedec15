"""Other people's sign-in pages, as far as it goes without calling them."""

from tests.differential.people import signed_in, signed_up
from tests.differential.site import Browser, Site

VARIANT = "default"


def going_to_a_provider(site: Site) -> None:
    for body in (
        {"provider": "github", "callbackURL": "/dash"},
        {"provider": "github"},
        {"provider": "google", "callbackURL": "/dash"},
        {"provider": "google", "callbackURL": "/dash", "disableRedirect": True},
        {"provider": "google", "loginHint": "ann@example.com"},
        {"provider": "github", "scopes": ["repo", "gist"]},
        {"provider": "github", "errorCallbackURL": "/oops", "newUserCallbackURL": "/new", "requestSignUp": True},
        {"provider": "discord"},
        {"provider": "zzz"},
        {"provider": "credential"},
        {"provider": 5},
        {},
        {"provider": "github", "callbackURL": "https://evil.com"},
        {"provider": "github", "idToken": {"token": "x"}},
        {"provider": "google", "idToken": {"token": "x"}},
        {"provider": "google", "idToken": {}},
    ):
        site.browser().post("/sign-in/social", body)


def linking_a_provider(site: Site) -> None:
    ann = signed_up(site)
    for body in (
        {"provider": "github", "callbackURL": "/dash"},
        {"provider": "google", "scopes": ["https://www.googleapis.com/auth/calendar"]},
        {"provider": "zzz"},
        {},
        {"provider": "github", "disableRedirect": True},
    ):
        ann.post("/link-social", body)
    site.browser().post("/link-social", {"provider": "github", "callbackURL": "/dash"})


def callbacks_that_lead_nowhere(site: Site) -> None:
    for provider in ("github", "google", "zzz"):
        for query in ("", "?code=1", "?code=1&state=zzz", "?error=access_denied", "?state=zzz"):
            site.browser().get(f"/callback/{provider}{query}")
    form = "application/x-www-form-urlencoded"
    site.browser().post("/callback/github", "code=1&state=zz", content_type=form)
    site.browser().post("/callback/github?state=a", "code=1", content_type=form)
    site.browser().post("/callback/zzz", "code=1&state=zz", content_type=form)


def callbacks_of_a_begun_flow(site: Site) -> None:
    def begun() -> tuple[Browser, str]:
        browser = site.browser()
        url = str(
            browser.post(
                "/sign-in/social", {"provider": "github", "callbackURL": "/dash", "errorCallbackURL": "/oops"}
            )["url"]
        )
        return browser, url.partition("&state=")[2].partition("&")[0]

    for query in ("error=access_denied", "error=access_denied&error_description=no%20way", "", "code="):
        browser, state = begun()
        browser.get(f"/callback/github?state={state}&{query}")
        browser.get(f"/callback/github?state={state}&{query}")
    _, state = begun()
    site.browser().get(f"/callback/github?state={state}&code=1")


def unlinking_the_last(site: Site) -> None:
    signed_up(site)
    ann = signed_in(site)
    ann.post("/unlink-account", {"accountId": "github"})
