"""Where a mailed link may lead, and what it leaves in logs."""

import json

import pytest

from tests.api.emails.conftest import ORIGIN, Person, Site, person_at, token_of
from tests.harness.waiting import eventually

ROUTES = ("/verify-email?token=bad&", "/reset-password/bad?", "/delete-user/callback?token=bad&")
SPELLINGS = [
    "//e.vil",
    "/%5Ce.vil",
    "/\\e.vil",
    "\\\\e.vil",
    "/%09/e.vil",
    "/\t/e.vil",
    "/%2F/e.vil",
    "https:e.vil",
    "https:/e.vil",
    "https://e.vil",
    "HTTPS://E.VIL",
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "http://localhost:3999@e.vil",
    "http://good@e.vil",
    "http://localhost:3999.e.vil",
    "http://localhost:39990",
    "http://evillocalhost:3999",
    "/a\r\nset-cookie: x=y",
    "/a%0d%0ab",
    " https://e.vil",
    "e.vil",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("callback", SPELLINGS)
def test_no_link_leads_to_where_we_do_not_trust(ann: Person, route: str, callback: str) -> None:
    """C2: however it is spelled, also encoded once more than the query encodes it."""
    answer = ann.client.get(f"/api/auth{route.partition('?')[0]}", params={**params_of(route), "callbackURL": callback})
    assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_CALLBACK_URL")
    assert "location" not in answer.headers


def params_of(route: str) -> dict[str, str]:
    """Return what a route's query holds: httpx replaces it."""
    return {"token": "bad"} if "token=" in route else {}


@pytest.mark.parametrize(
    "path", ["/request-password-reset", "/send-verification-email", "/change-email", "/delete-user"]
)
@pytest.mark.parametrize("callback", ["//e.vil", "https://e.vil", "/\\e.vil", "javascript:alert(1)"])
def test_no_link_is_mailed_that_leads_to_where_we_do_not_trust(ann: Person, path: str, callback: str) -> None:
    """C2."""
    name = "redirectTo" if "reset" in path else "callbackURL"
    answer = ann.post(path, email=ann.email, newEmail=ann.email, **{name: callback})
    assert answer.status_code == 403


def test_logs_hold_the_template_and_no_token(sites: Site) -> None:
    """I4: tokens stand in paths and queries here, and are in no log line, no span, no metric and no log entry."""
    site = sites()
    with person_at(site) as ann:
        ann.sign_up()
        ann.post("/request-password-reset", email=ann.email, redirectTo="/r")
        reset = ann.next_link()
        ann.post("/send-verification-email", email=ann.email)
        proof = ann.next_link()
        secrets = [token_of(reset.partition("?")[0]), token_of(proof)]
        for link in (reset, proof, f"/nowhere/{secrets[0]}", f"/verify-email?token={secrets[1]}x&callbackURL=/v"):
            assert ann.get(link).status_code in (302, 404)
        assert ann.post("/reset-password", newPassword="another password", token=secrets[0]).status_code == 200
        metrics = ann.client.get(f"http://127.0.0.1:{site.metrics_ports['gateway']}/metrics").text
    assert '/api/auth/reset-password/:token"' in metrics
    shown = {name: process.output() for name, process in site.processes.items()} | {"metrics": metrics}
    assert [name for name, text in shown.items() for secret in secrets if secret in text] == []


def test_limits_count_the_template_not_the_token(sites: Site) -> None:
    """H6: whoever tries tokens is counted once for all of them."""
    with person_at(sites()) as ann:
        ann.client.event_hooks = {}  # all from one address
        answers = [ann.get(f"/reset-password/guess{number}?callbackURL=/r").status_code for number in range(101)]
    assert answers == [302] * 100 + [429]


def test_the_mailbox_shows_whole_mails(ann: Person) -> None:
    ann.sign_up()
    ann.post("/request-password-reset", email=ann.email)
    eventually(lambda: bool(ann.mails()), seconds=10)
    (mail,) = ann.mails()
    assert mail["subject"] == "Reset your password"
    assert json.dumps(mail["links"]).count(f"{ORIGIN}/api/auth/reset-password/") == 1
