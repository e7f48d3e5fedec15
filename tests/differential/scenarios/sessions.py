"""Reading, listing and ending sessions."""

from tests.differential.people import signed_in, signed_up
from tests.differential.site import Site

VARIANT = "default"


def reading_a_session(site: Site) -> None:
    ann = signed_up(site)
    ann.get("/get-session")
    ann.get("/get-session?disableCookieCache=true&disableRefresh=true")
    ann.get("/get-session?disableCookieCache=false")
    ann.post("/get-session", {})
    ann.post("/get-session")
    site.browser().get("/get-session")
    site.browser().get("/get-session", cookie="better-auth.session_token=abc.def")
    site.browser().get("/get-session", cookie="better-auth.session_token=abc")
    site.browser().get("/get-session", cookie="better-auth.session_token=")
    site.browser().get("/get-session", cookie="other=1")
    token = ann.cookies["better-auth.session_token"]
    site.browser().get("/get-session", cookie=f"__Secure-better-auth.session_token={token}")
    site.browser().get("/get-session", cookie=f"a=b; better-auth.session_token={token}; c=d")
    site.browser().get("/get-session", cookie=f"better-auth.session_token={token[:-4]}AA%3D")


def a_session_without_an_address(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/sign-in/email", {"email": site.email("ann"), "password": "password123"}, x_forwarded_for=None)
    ann.get("/get-session", x_forwarded_for=None)


def a_session_without_a_user_agent(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/sign-in/email", {"email": site.email("ann"), "password": "password123"}, user_agent=None)
    ann.get("/get-session")


def listing_sessions(site: Site) -> None:
    ann = signed_up(site)
    ann.get("/list-sessions")
    signed_in(site)
    ann.get("/list-sessions")
    site.browser().get("/list-sessions")
    signed_in(site, rememberMe=False).get("/list-sessions")


def revoking_one_session(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    listed = ann.get("/list-sessions").body
    own = ann.get("/get-session")["session"]["token"]
    handle = next(session["token"] for session in listed if session["token"] != own)
    ann.post("/revoke-session", {"token": "nope"})
    ann.post("/revoke-session", {"token": handle})
    other.get("/get-session")
    ann.post("/revoke-session", {})
    ann.post("/revoke-session")
    ann.post("/revoke-session", {"token": 5})
    site.browser().post("/revoke-session", {"token": own})
    ben = signed_up(site, "ben")
    ben.post("/revoke-session", {"token": own})
    ann.get("/get-session")
    ann.post("/revoke-session", {"token": own})
    ann.get("/get-session")


def revoking_all_sessions(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    ann.post("/revoke-sessions", {})
    ann.get("/get-session")
    other.get("/get-session")
    site.browser().post("/revoke-sessions")
    third = signed_in(site)
    third.post("/revoke-sessions")


def revoking_other_sessions(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    ann.post("/revoke-other-sessions", {})
    ann.post("/revoke-other-sessions")
    ann.get("/get-session")
    other.get("/get-session")
    ann.get("/list-sessions")
    site.browser().post("/revoke-other-sessions", {})


def updating_a_session_without_fields(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/update-session", {})
    ann.post("/update-session", {"theme": "dark"})
    ann.post("/update-session", {"userId": "x", "expiresAt": "2030-01-01T00:00:00.000Z"})
    site.browser().post("/update-session", {})
