"""Fields that a product adds, and the session_data cookie as a JWT."""

from tests.differential.people import PASSWORD, signed_up
from tests.differential.site import Site

VARIANT = "jwt"


def signing_up_with_fields(site: Site) -> None:
    def new(name: str, **extra: object) -> dict[str, object]:
        return {"name": name, "email": site.email(name), "password": PASSWORD, **extra}

    ann = site.browser()
    ann.post("/sign-up/email", new("ann", company="Ex", seats=3, newsletter=True))
    ann.get("/get-session")
    ann.cookies.pop("better-auth.session_data", None)
    ann.get("/get-session")
    for body in (
        new("ben", tier="gold"),
        new("cem", seats="many"),
        new("dan", company=5),
        new("eve", newsletter="yes"),
        new("fay", unknown=1),
        new("gus", company=None),
    ):
        site.browser().post("/sign-up/email", body)
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})


def updating_fields(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/update-user", {"company": "Ex", "seats": 4})
    ann.get("/get-session?disableCookieCache=true")
    ann.post("/update-user", {"tier": "gold"})
    ann.post("/update-user", {"seats": "x"})
    ann.post("/update-user", {"company": None, "newsletter": False})
    ann.get("/get-session")
    ann.post("/update-user", {"unknown": 1})


def updating_a_session(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/update-session", {"theme": "dark"})
    ann.get("/get-session")
    ann.get("/get-session?disableCookieCache=true")
    ann.post("/update-session", {"theme": None})
    ann.post("/update-session", {"theme": 5})
    ann.post("/update-session", {"unknown": 5})
    ann.post("/update-session", {"userId": "x", "token": "y"})
    ann.post("/update-session", {})
    ann.post("/update-session", [])
    ann.post("/update-session")
    ann.get("/list-sessions")
    site.browser().post("/update-session", {"theme": "dark"})


def a_jwt_cookie_cache(site: Site) -> None:
    ann = signed_up(site)
    ann.get("/get-session")
    ann.post("/update-user", {"name": "Änn"})
    ann.post("/sign-out", {})
