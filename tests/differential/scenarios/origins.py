"""Who may ask, and where one may be led."""

from urllib.parse import quote

from tests.differential.people import EVIL, PASSWORD, signed_up
from tests.differential.site import BASE_URL, Site

VARIANT = "default"

CALLBACKS = (
    "/",
    "/a/b?c=d&e=f#g",
    "//evil.com",
    "/\\evil.com",
    "\\\\evil.com",
    "/%5Cevil.com",
    "/%2fevil.com",
    "/%09/evil.com",
    "https:evil.com",
    "javascript:alert(1)",
    "data:text/html,x",
    f"{BASE_URL}/x",
    "http://localhost:3998/x",
    "https://app.example.com",
    "https://app.example.com.evil.com/",
    "https://app.example.com@evil.com/",
    "https://a.example.org/x",
    "https://a.b.example.org/x",
    "https://example.org/x",
    "https://evilexample.org/x",
    "http://a.example.org/x",
    "dash",
    "",
)


def _known(site: Site) -> dict[str, object]:
    return {"email": site.email("ann"), "password": PASSWORD}


def callbacks_of_signing_in(site: Site) -> None:
    signed_up(site)
    for callback in CALLBACKS:
        site.browser().post("/sign-in/email", _known(site) | {"callbackURL": callback})


def callbacks_of_a_reset(site: Site) -> None:
    for callback in CALLBACKS:
        site.browser().get(f"/reset-password/bad?callbackURL={quote(callback, safe='')}")


def callbacks_in_other_places(site: Site) -> None:
    ann = signed_up(site)
    for name in ("callbackURL", "redirectTo", "errorCallbackURL", "newUserCallbackURL"):
        ann.post("/update-user", {"name": "Ann", name: EVIL})
        site.browser().post("/sign-in/social", {"provider": "github", name: EVIL})
    ann.post(f"/update-user?callbackURL={EVIL}", {"name": "Ann"})
    ann.get(f"/get-session?callbackURL={EVIL}")


def origins_with_cookies(site: Site) -> None:
    ann = signed_up(site)
    rename = {"name": "Ann"}
    for origin in (
        "https://app.example.com",
        "https://a.example.org",
        EVIL,
        "https://app.example.com.evil.com",
        "http://app.example.com",
        "null",
        "",
        None,
    ):
        ann.post("/update-user", rename, origin=origin)
    ann.post("/update-user", rename, origin=None, referer=f"{BASE_URL}/page")
    ann.post("/update-user", rename, origin=None, referer=f"{EVIL}/page")
    ann.post("/update-user", rename, origin="null", sec_fetch_site="same-origin")
    ann.post("/update-user", rename, origin="null", sec_fetch_site="cross-site")
    ann.post("/sign-out", {}, origin=EVIL)
    ann.get("/get-session", origin=EVIL)
    ann.get("/list-sessions", origin=None)


def origins_without_cookies(site: Site) -> None:
    signed_up(site)
    for headers in (
        {"origin": None},
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": None, "referer": f"{EVIL}/x"},
        {"origin": None, "referer": f"{BASE_URL}/x"},
        {"origin": None, "sec_fetch_mode": "cors"},
        {"origin": None, "sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"},
        {"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"},
        {"origin": EVIL, "sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"},
        {"origin": "https://app.example.com", "sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"},
    ):
        site.browser().post("/sign-in/email", _known(site), **headers)
    site.browser().post("/request-password-reset", {"email": site.email("ann")}, origin=EVIL)
    site.browser().post("/sign-out", {}, origin=EVIL)
