"""Signing up and in."""

from typing import Any

from tests.differential.people import EVIL, PASSWORD, signed_in, signed_up
from tests.differential.site import Site

VARIANT = "default"


def signing_up(site: Site) -> None:
    email = site.email("ann")
    new = {"name": "Ann", "email": email, "password": PASSWORD}
    site.browser().post("/sign-up/email", new | {"email": email.replace("ann", "Ann")})
    bodies: tuple[Any, ...] = (
        new,
        {"email": email},
        new | {"email": "nope"},
        new | {"email": 5},
        new | {"email": ""},
        new | {"name": None},
        new | {"name": ["a"]},
        new | {"password": "short"},
        new | {"password": ""},
        new | {"password": "x" * 129},
        new | {"password": 12345678},
        new | {"rememberMe": "yes"},
        new | {"callbackURL": 5},
        new | {"image": 5},
        [],
        "null",
        None,
        "{",
        "",
    )
    for body in bodies:
        site.browser().post("/sign-up/email", body)
    site.browser().post("/sign-up/email", "{}", content_type="text/plain")
    site.browser().post("/sign-up/email", "{}", content_type=None)
    site.browser().post("/sign-up/email", "{}", content_type="application/json; charset=utf-8")


def signing_up_with_more(site: Site) -> None:
    def new(name: str) -> dict[str, object]:
        return {"name": name, "email": site.email(name), "password": PASSWORD}

    browser = site.browser()
    browser.post("/sign-up/email", new("ben") | {"emailVerified": True, "foo": 1, "id": "x", "createdAt": "y"})
    site.browser().post("/sign-up/email", new("cem") | {"image": "https://x.example/y.png"})
    short = site.browser()
    short.post("/sign-up/email", new("dan") | {"rememberMe": False})
    short.get("/get-session")
    site.browser().post("/sign-up/email", new("eve") | {"callbackURL": "/welcome"})
    site.browser().post("/sign-up/email", new("fay") | {"callbackURL": EVIL})
    site.browser().post(
        "/sign-up/email",
        f"name=Gus&email={site.email('gus')}&password={PASSWORD}",
        content_type="application/x-www-form-urlencoded",
    )
    site.browser().post("/sign-up/email", new("hal") | {"name": "Ünï 🎈 “quoted” <b>"})


def signing_in(site: Site) -> None:
    signed_up(site)
    known = {"email": site.email("ann"), "password": PASSWORD}
    for body in (
        known,
        known | {"email": site.email("ANN")},
        known | {"callbackURL": "/dash", "rememberMe": False},
        known | {"callbackURL": "/dash?a=b#c"},
        known | {"callbackURL": "https://app.example.com/dash"},
        known | {"callbackURL": f"{EVIL}/x"},
        known | {"rememberMe": True},
        known | {"rememberMe": "yes"},
        known | {"password": "password12x"},
        known | {"password": "x" * 129},
        known | {"password": ""},
        known | {"email": site.email("nobody")},
        known | {"email": "nope"},
        {"email": site.email("ann")},
        {"password": PASSWORD},
        {},
        None,
        "{",
    ):
        site.browser().post("/sign-in/email", body)
    form = f"email={site.email('ann').replace('@', '%40')}&password={PASSWORD}"
    site.browser().post("/sign-in/email", form, content_type="application/x-www-form-urlencoded")
    site.browser().post("/sign-in/email", "{}", content_type="text/plain")


def signing_in_twice_in_one_browser(site: Site) -> None:
    ann = signed_up(site)
    signed_up(site, "ben")
    ann.post("/sign-in/email", {"email": site.email("ben"), "password": PASSWORD})
    ann.get("/get-session")


def signing_out(site: Site) -> None:
    ann = signed_up(site)
    before = dict(ann.cookies)
    ann.post("/sign-out", {})
    ann.get("/get-session")
    ann.cookies.update(before)
    ann.get("/get-session")
    site.browser().post("/sign-out")
    site.browser().post("/sign-out", {})
    other = signed_in(site)
    other.post("/sign-out")
    forgotten = signed_in(site, rememberMe=False)
    forgotten.post("/sign-out", {"callbackURL": "/bye"})
    signed_in(site).post("/sign-out", {"callbackURL": EVIL})
