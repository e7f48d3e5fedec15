"""Who may call what, walked from the policy tables themselves through the real processes: no RPC is left out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from ops.keys.pair_keys import CALLS, pair_key
from runtime.rpc.policy import NO_SERVICE, People, Policy, Rule
from tests.conftest import Engines
from tests.harness.processes import SECRET, WITHHELD
from tests.harness.rpc import raw
from tests.harness.whole import SERVICES, Stores, Whole, whole
from trivet.client import Actor
from trivet.client.actor import METADATA_KEY, sign
from trivet.client.methods import methods

RPCS = {f"{rpc.containing_service.full_name}/{rpc.name}": rpc for name in SERVICES for rpc in methods(name)}
POLICIES: dict[str, Policy] = {name: import_module(f"services.{name}.policy").POLICY for name in SERVICES}


@dataclass(frozen=True)
class Row:
    """One RPC of one process, and its rule."""

    process: str
    method: str
    rule: Rule

    @property
    def service(self) -> str:
        return self.method.rpartition("/")[0].rpartition(".")[2]

    @property
    def descriptor(self) -> MethodDescriptor:
        return RPCS[self.method]

    def request(self, owner: str = "") -> Message:
        """Return an empty request, which names `owner` where the rule says that a request names one."""
        request = GetMessageClass(self.descriptor.input_type)()
        if owner:
            *path, field = self.rule.owner.split(".")
            inner: Any = request
            for step in path:
                inner = getattr(inner, step)
            setattr(inner, field, owner)
        return request


ROWS = [Row(process, method, rule) for process, policy in POLICIES.items() for method, rule in policy.items()]


def rows(*people: People) -> list[Any]:
    """Return the rows that let these people in, each a parameter with a name."""
    return [pytest.param(row, id=row.method) for row in ROWS if not people or row.rule.people in people]


@pytest.fixture(scope="module")
def running(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("policies")
    stores = Stores(f"sqlite:///{folder / 'trivet.db'}", engine.get("secantusdb").url, engine.get("valkey").url)
    with whole(stores, *SERVICES) as processes:
        yield processes


def actor(row: Row, speaker: Actor, *, audience: str = "", key: bytes | None = None, expires: int = 30) -> str:
    """Return what the speaker sends to the row's process; by default all of it is as it should be."""
    secret = key or pair_key(SECRET, speaker.caller, row.process)
    return sign(speaker, audience or row.process, secret, expires=int(time.time()) + expires)


async def answer(
    running: Whole, row: Row, value: str | None, request: Message | None = None, *, seconds: float = 5
) -> tuple[str, str]:
    """Return the code and the words that the RPC answers under this actor.

    A stream that is let in says nothing, and ends at its deadline, `seconds` later.
    """
    metadata = () if value is None else ((METADATA_KEY, value),)
    body = (row.request() if request is None else request).SerializeToString()
    async with aio.insecure_channel(running[row.process].address) as channel:
        try:
            if row.descriptor.client_streaming:
                bidirectional: Any = channel.stream_stream(f"/{row.method}")
                await bidirectional(metadata=metadata, timeout=seconds).read()
            else:
                await raw(channel, f"/{row.method}")(body, metadata=metadata, timeout=5)
        except aio.AioRpcError as error:
            return error.code().name, error.details() or ""
    return "OK", ""


PERSON = Actor("gateway", "a" * 32, "user", "s" * 32)
ADMIN = Actor("gateway", "a" * 32, "admin", "s" * 32)


def test_every_rpc_of_every_service_that_is_served_has_a_row() -> None:
    """G2: a method without a policy row fails here, and at start-up."""
    for policy in POLICIES.values():
        for service in {method.rpartition("/")[0] for method in policy}:
            assert {method for method in RPCS if method.startswith(f"{service}/")} <= set(policy)


@pytest.mark.parametrize("row", rows())
async def test_without_a_valid_actor_nothing_is_answered(running: Whole, row: Row) -> None:
    """G3: no actor, garbage, expired, for another service, by an unknown caller, with another's key, tampered with."""
    other = next(name for name in SERVICES if name != row.process)
    good = actor(row, PERSON)
    for value in (
        None,
        "",
        "garbage",
        actor(row, PERSON, expires=-60),
        actor(row, PERSON, expires=3_600),
        actor(row, PERSON, audience=other),
        actor(row, Actor("stranger", "a" * 32, "admin")),
        actor(row, ADMIN, key=pair_key(SECRET, "tests", row.process)),
        actor(row, ADMIN, key=b"guessed" * 8),
        good.replace(".user.", ".admin."),
    ):
        code, words = await answer(running, row, value)
        assert code == "UNAUTHENTICATED", (value, words)


@pytest.mark.parametrize("row", rows(People.NONE))
async def test_what_only_services_may_call_no_person_may_not_even_an_administrator(running: Whole, row: Row) -> None:
    for speaker in (PERSON, ADMIN):
        assert await answer(running, row, actor(row, speaker)) == ("PERMISSION_DENIED", "only services may call this")


@pytest.mark.parametrize("row", rows(People.ADMINS))
async def test_what_only_administrators_may_call_no_other_person_may(running: Whole, row: Row) -> None:
    for role in ("user", "", "Admin", "admin ", "administrator"):
        code, _ = await answer(running, row, actor(row, Actor("gateway", "a" * 32, role)))
        assert code == "PERMISSION_DENIED", role


@pytest.mark.parametrize("row", [pytest.param(row, id=row.method) for row in ROWS if row.rule.owner])
async def test_nobody_may_name_another_user(running: Whole, row: Row) -> None:
    """I6: the owner field of a request names the caller or nobody."""
    said = ("PERMISSION_DENIED", f"{row.rule.owner} names another user")
    for owner in ("b" * 32, "A" * 32, "a" * 31, " " + "a" * 32):
        assert await answer(running, row, actor(row, PERSON), row.request(owner)) == said


@pytest.mark.parametrize("row", rows())
async def test_a_program_that_no_row_and_no_setting_names_calls_nothing(running: Whole, row: Row) -> None:
    """G2: method by caller. A key alone gives no right: the default is none."""
    assert "unheard" not in row.rule.services
    request = row.request("a" * 32) if row.rule.owner else row.request()
    code, words = await answer(running, row, actor(row, Actor("unheard")), request)
    assert (code, words) == (
        "PERMISSION_DENIED",
        "the program unheard has no right to call this: see TRIVET_PROGRAM_RIGHTS",
    )


@pytest.mark.parametrize("row", rows())
async def test_a_process_that_the_row_does_not_name_is_refused(running: Whole, row: Row) -> None:
    """Our own processes have no rights beyond their rows either."""
    callers = {caller for caller, audiences in CALLS.items() if row.process in audiences} | {"ops"}
    given = {"ops", "gateway"} if row.process == "cache" else set()  # by TRIVET_PROGRAM_RIGHTS, see the harness
    for caller in callers - row.rule.services - given:
        code, _ = await answer(running, row, actor(row, Actor(caller)))
        assert code == "PERMISSION_DENIED", caller


def test_what_deletes_or_changes_users_is_given_to_no_program() -> None:
    """Rights by which one key would do for every user what only administrators may."""
    for row in ROWS:
        if row.process == "identity" and row.rule.people is People.ADMINS:
            assert row.rule.services == NO_SERVICE, row.method
    identity = POLICIES["identity"]
    for method in ("DeleteUser", "UpdateUser"):
        assert identity[f"trivet.identity.v1.UserService/{method}"].services == NO_SERVICE
    assert {row.method.rpartition("/")[2] for row in ROWS if "ops" in row.rule.services} == {
        "CreateNotification",
        "EraseUserData",
        "ExportUserData",
        "GetStats",
        "GetUser",
        "ListAuditEvents",
    }, "every key of the trivet command gets it: if that is meant, name the RPC here"


@pytest.mark.parametrize("row", rows())
async def test_whom_the_row_names_gets_past_it(running: Whole, row: Row) -> None:
    """The refusals above are the policy's: the same empty request of the right caller fails otherwise or not at all."""
    speakers = [Actor(caller) for caller in row.rule.services]
    if row.service not in WITHHELD:
        speakers.append(Actor("tests"))  # by TRIVET_PROGRAM_RIGHTS, see the harness
    if row.rule.people is not People.NONE:
        speakers.append(ADMIN)
    for speaker in speakers:
        code, _ = await answer(running, row, actor(row, speaker), seconds=1)
        assert code not in ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "INTERNAL", "UNKNOWN"), speaker
