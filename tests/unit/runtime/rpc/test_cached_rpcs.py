"""A declaration in a .proto file is read as it is meant, and one that cannot be is refused by the RPC's name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from runtime.ids import token_hash
from runtime.rpc.caching.cached_rpcs import CachedRpc, WrongDeclarationError, declared
from services.identity.billing import subscriptions
from services.identity.sessions import session
from services.identity.users import users
from services.notifications.inbox.cache_invalidation import unread_tag
from trivet.cache.v1.cached_pb2 import Cached, cached
from trivet.identity.v1 import session_service_pb2, subscription_service_pb2, user_service_pb2
from trivet.identity.v1.resources_pb2 import Session, User
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest, VerifySessionResponse
from trivet.notifications.v1 import notification_service_pb2

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ANSWER = VerifySessionResponse(user=User(id="u1"), session=Session(id="s1"))


def of(module: Any, service: str, rpc: str) -> CachedRpc:
    descriptor = module.DESCRIPTOR.services_by_name[service].methods_by_name[rpc]
    found = declared(descriptor)
    assert found is not None
    return found


VERIFY = of(session_service_pb2, "SessionService", "VerifySession")


def test_a_sessions_entry_is_named_by_the_hash_of_its_token() -> None:
    """S1."""
    assert VERIFY.key_of(VerifySessionRequest(token="secret")) == token_hash("secret")


def test_the_tags_are_those_that_a_change_drops() -> None:
    assert VERIFY.tags_of("k", ANSWER) == [session.tag_of("s1"), session.tag_of_all("u1"), users.tag_of("u1")]
    profile = of(user_service_pb2, "UserService", "GetUser")
    assert profile.tags_of("u1", User(id="u1")) == [users.tag_of("u1")]
    subscription = of(subscription_service_pb2, "SubscriptionService", "GetSubscription")
    whole = [subscriptions.tag_of("u1"), users.tag_of("u1")]
    assert subscription.tags_of("u1", subscription_service_pb2.Subscription()) == whole
    assert subscription.tags_of("u1", None) == whole
    count = of(notification_service_pb2, "NotificationService", "CountUnread")
    assert count.tags_of("u1", notification_service_pb2.CountUnreadResponse()) == [unread_tag("u1")]


def test_that_there_is_nothing_has_the_tags_of_the_key_alone() -> None:
    assert VERIFY.tags_of("k", None) == []


def test_an_answer_is_kept_no_longer_than_it_says_itself() -> None:
    soon = Timestamp()
    soon.FromDatetime(NOW + timedelta(seconds=7))
    answer = VerifySessionResponse(session=Session(expire_time=soon))
    assert VERIFY.ttl_of(answer, NOW) == timedelta(seconds=7)
    assert VERIFY.ttl_of(answer, NOW + timedelta(seconds=8)) < timedelta()
    assert VERIFY.ttl_of(answer, NOW - timedelta(days=1)) == timedelta(seconds=30)


def test_an_rpc_that_declares_nothing_is_not_kept() -> None:
    methods = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"].methods
    assert [rpc.name for rpc in methods if declared(rpc) is not None] == ["VerifySession"]


def declaring(**option: object) -> MethodDescriptor:
    """Return an RPC of a file made for it that takes and answers what VerifySession does, and declares `option`."""
    wanted = {"namespace": "n", "key": "token", "ttl": Duration(seconds=1)} | option
    name = f"declared_{len(option)}_{abs(hash(str(wanted)))}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.dependency.append("trivet/identity/v1/session_service.proto")
    rpc = file.service.add(name="S").method.add(name="Do")
    rpc.input_type = ".trivet.identity.v1.VerifySessionRequest"
    rpc.output_type = ".trivet.identity.v1.VerifySessionResponse"
    rpc.options.Extensions[cached].CopyFrom(Cached(**wanted))  # type: ignore[arg-type]  # as the test says
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    found: MethodDescriptor = descriptor_pool.Default().FindMethodByName(f"{name}.S.Do")
    return found


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"key": ""}, "VerifySessionRequest has no field of no name"),
        ({"key": "nothing"}, "VerifySessionRequest has no nothing"),
        ({"owner": "nobody"}, "VerifySessionRequest has no nobody"),
        ({"namespace": ""}, "namespace and ttl are required"),
        ({"ttl": Duration()}, "namespace and ttl are required"),
        ({"expire_time": "session.end"}, "Session has no end"),
        ({"expire_time": "user.email"}, "user.email is no Timestamp in VerifySessionResponse"),
        ({"tags": ["user:{user.nothing}"]}, "User has no nothing"),
        ({"tags": ["user:{user}"]}, "user is no text in VerifySessionResponse"),
        ({"tags": ["user:{user.id.x}"]}, "id is no message in User"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_by_name(option: dict[str, object], complaint: str) -> None:
    with pytest.raises(WrongDeclarationError, match=rf"declared_\w+\.S\.Do: {complaint}$"):
        declared(declaring(**option))


def test_the_same_without_a_mistake_is_read() -> None:
    found = declared(declaring(tags=["user:{user.id}"], hashed=True))
    assert found is not None
    assert (found.namespace, found.tags_of("k", ANSWER)) == ("n", ["user:u1"])
