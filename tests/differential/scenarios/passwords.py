"""A forgotten password."""

from tests.differential.people import EVIL, PASSWORD, signed_in, signed_up, token_in
from tests.differential.site import Site

VARIANT = "default"


def resetting_a_password(site: Site) -> None:
    ann = signed_up(site)
    site.browser().post("/request-password-reset", {"email": site.email("ann"), "redirectTo": "/reset"})
    link = site.mail(site.email("ann"))
    token = token_in(link)
    site.browser().follow(link)
    site.browser().get(f"/reset-password/{token}?callbackURL=%2Freset%3Fa%3Db")
    site.browser().get(f"/reset-password/{token}?callbackURL=https%3A%2F%2Fapp.example.com%2Freset")
    site.browser().get(f"/reset-password/{token}?callbackURL={EVIL}")
    site.browser().get(f"/reset-password/{token}")
    site.browser().post("/reset-password", {"newPassword": "short", "token": token})
    site.browser().post("/reset-password", {"newPassword": "x" * 129, "token": token})
    site.browser().post("/reset-password", {"newPassword": "password789", "token": token})
    site.browser().post("/reset-password", {"newPassword": "password789", "token": token})
    site.browser().follow(link)
    ann.get("/get-session")
    signed_in(site)
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": "password789"})


def resetting_with_the_token_in_the_address(site: Site) -> None:
    signed_up(site)
    site.browser().post("/request-password-reset", {"email": site.email("ann")})
    token = token_in(site.mail(site.email("ann")))
    site.browser().post(f"/reset-password?token={token}", {"newPassword": "password789"})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": "password789"})


def asking_for_a_reset(site: Site) -> None:
    for body in (
        {"email": site.email("nobody"), "redirectTo": "/reset"},
        {"email": site.email("nobody")},
        {"email": "nope"},
        {},
        {"email": site.email("nobody"), "redirectTo": EVIL},
        {"email": site.email("nobody"), "redirectTo": "//evil.com"},
        {"email": site.email("nobody"), "redirectTo": 5},
        None,
    ):
        site.browser().post("/request-password-reset", body)
    ann = signed_up(site)
    ann.post("/request-password-reset", {"email": site.email("ANN"), "redirectTo": "https://app.example.com/r"})
    site.browser().follow(site.mail(site.email("ann")))


def resets_that_are_none(site: Site) -> None:
    for path in (
        "/reset-password/bad?callbackURL=%2Freset",
        "/reset-password/bad?callbackURL=%2Freset%3Fa%3Db%23c",
        "/reset-password/bad?callbackURL=",
        "/reset-password/bad",
        "/reset-password/?callbackURL=%2Freset",
        "/reset-password",
    ):
        site.browser().get(path)
    for body in (
        {"newPassword": "password789", "token": "bad"},
        {"newPassword": "password789"},
        {"newPassword": "short", "token": "bad"},
        {"newPassword": "short"},
        {"token": "bad"},
        {},
        {"newPassword": 5, "token": "bad"},
    ):
        site.browser().post("/reset-password", body)


def an_older_reset(site: Site) -> None:
    signed_up(site)
    tokens = []
    for _ in range(2):
        site.browser().post("/request-password-reset", {"email": site.email("ann"), "redirectTo": "/reset"})
        tokens.append(token_in(site.mail(site.email("ann"))))
    site.browser().get(f"/reset-password/{tokens[0]}?callbackURL=%2Freset")
    site.browser().post("/reset-password", {"newPassword": PASSWORD + "4", "token": tokens[0]})
    site.browser().post("/reset-password", {"newPassword": PASSWORD + "5", "token": tokens[1]})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD + "5"})
