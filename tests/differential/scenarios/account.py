"""What a signed-in person changes, and whose accounts they have."""

from tests.differential.people import PASSWORD, signed_in, signed_up
from tests.differential.site import Site

VARIANT = "default"


def updating_a_user(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/update-user", {"name": "Ann B", "image": "https://x/y.png"})
    ann.get("/get-session")
    ann.post("/update-user", {"image": None})
    ann.get("/get-session")
    for body in (
        {"email": "z@z.co"},
        {},
        {"foo": 1},
        {"emailVerified": True},
        {"id": "x"},
        [],
        [1],
        None,
        "5",
        '"text"',
        "null",
    ):
        ann.post("/update-user", body)
    site.browser().post("/update-user", {"name": "x"})
    short = signed_in(site, rememberMe=False)
    short.post("/update-user", {"name": "Ann C"})


def changing_a_password(site: Site) -> None:
    ann = signed_up(site)
    change = {"newPassword": "password456", "currentPassword": PASSWORD}
    for body in (
        change | {"currentPassword": "bad"},
        change | {"newPassword": "short"},
        change | {"newPassword": "x" * 129},
        {"newPassword": "password456"},
        {},
        change | {"revokeOtherSessions": "yes"},
        change,
    ):
        ann.post("/change-password", body)
    site.browser().post("/change-password", change)
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": PASSWORD})
    site.browser().post("/sign-in/email", {"email": site.email("ann"), "password": "password456"})


def changing_a_password_without_a_word_about_others(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    ann.post("/change-password", {"newPassword": "password456", "currentPassword": PASSWORD})
    ann.get("/get-session")
    other.get("/get-session")


def changing_a_password_and_keeping_others(site: Site) -> None:
    ann = signed_up(site)
    other = signed_in(site)
    change = {"newPassword": "password456", "currentPassword": PASSWORD}
    ann.post("/change-password", change | {"revokeOtherSessions": False})
    ann.get("/get-session")
    other.get("/get-session")


def changing_a_password_and_ending_others(site: Site) -> None:
    ann = signed_up(site)
    before = dict(ann.cookies)
    other = signed_in(site)
    change = {"newPassword": "password456", "currentPassword": PASSWORD}
    ann.post("/change-password", change | {"revokeOtherSessions": True})
    ann.get("/get-session")
    other.get("/get-session")
    ann.cookies = before
    ann.get("/get-session")


def verifying_a_password(site: Site) -> None:
    ann = signed_up(site)
    ann.post("/verify-password", {"password": PASSWORD})
    ann.post("/verify-password", {"password": "password12x"})
    ann.post("/verify-password", {})
    ann.post("/verify-password", {"password": 5})
    site.browser().post("/verify-password", {"password": PASSWORD})
    ann.post("/set-password", {"newPassword": PASSWORD})


def accounts(site: Site) -> None:
    ann = signed_up(site)
    own = ann.get("/list-accounts").body[0]["id"]
    ann.post("/unlink-account", {"accountId": "x"})
    ann.post("/unlink-account", {"accountId": own})
    ann.post("/unlink-account", {"providerId": "credential"})
    ann.post("/unlink-account", {})
    site.browser().get("/list-accounts")
    site.browser().post("/unlink-account", {"accountId": own})


def tokens_of_accounts(site: Site) -> None:
    ann = signed_up(site)
    own = ann.get("/list-accounts").body[0]["id"]
    for path in ("/get-access-token", "/refresh-token"):
        for body in (
            {"accountId": "nope"},
            {"accountId": own},
            {"providerId": "github"},
            {"accountId": "nope", "providerId": "github"},
            {"accountId": "nope", "useAccountCookie": True},
            {"useAccountCookie": True},
            {"accountId": ""},
            {},
        ):
            ann.post(path, body)
        site.browser().post(path, {"accountId": "nope"})
    ann.get("/account-info?accountId=nope")
    ann.get(f"/account-info?accountId={own}")
    ann.get("/account-info?providerId=github")
    ann.get("/account-info")
    site.browser().get("/account-info?accountId=nope")
