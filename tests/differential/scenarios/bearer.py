"""Without cookies: the token in a header."""

from urllib.parse import quote

from tests.differential.people import PASSWORD, signed_up
from tests.differential.site import Site

VARIANT = "default"


def bearers(site: Site) -> None:
    signed_up(site)
    program = site.browser()
    answer = program.post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD}, origin=None)
    program.cookies.clear()
    signed, bare = answer.headers["set-auth-token"], answer["token"]
    for credentials in (
        f"Bearer {signed}",
        f"Bearer {quote(signed, safe='')}",
        f"Bearer {bare}",
        f"bearer {signed}",
        f"Bearer {signed[:-5]}AAAA=",
        "Bearer nope",
        "Bearer",
        f"Basic {signed}",
        signed,
    ):
        program.get("/get-session", authorization=credentials)
    bearer = f"Bearer {signed}"
    program.post("/update-user", {"name": "Ann B"}, authorization=bearer, origin=None)
    program.cookies.clear()
    program.get("/list-sessions", authorization=bearer)
    program.get("/list-accounts", authorization=bearer)
    program.post("/verify-password", {"password": PASSWORD}, authorization=bearer, origin=None)
    program.post("/sign-out", {}, authorization=bearer, origin=None)
    program.get("/get-session", authorization=bearer)


def a_bearer_beside_a_cookie(site: Site) -> None:
    ann = signed_up(site)
    ben = signed_up(site, "ben")
    token = ben.get("/get-session")["session"]["token"]
    ann.get("/get-session", authorization=f"Bearer {token}")
    ann.get("/get-session", authorization="Bearer nope")
