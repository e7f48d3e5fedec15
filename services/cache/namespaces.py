"""The namespaces and tags that services share, the rights on them, and the unique name of each in Redis.

A namespace in the table is shared by the services that it names. Any other namespace is private to the service that
uses it: the service's name is part of the Redis key, so two programs can use one name without sharing entries.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from runtime.errors import InvalidArgument, PermissionDenied

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
DAY_MS = 24 * 60 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Namespace:
    """The services that can fill and read the entries, and their maximum time to live in milliseconds.

    `name` is unique over all callers. With `lease_required`, an entry can be written only with the lease of a miss.
    Unless `exact`, up to a tenth is subtracted from each time to live at random, so that entries that were filled
    together do not expire together.
    """

    name: str
    fillers: frozenset[str]
    readers: frozenset[str]
    max_ttl_ms: int
    lease_required: bool = False
    exact: bool = False


IDENTITY = frozenset({"identity"})
NOTIFICATIONS = frozenset({"notifications"})
GATEWAY = frozenset({"gateway"})
READERS = frozenset({"identity", "gateway"})

SHARED = {
    namespace.name: namespace
    for namespace in (
        # A service that fills sessions can forge a login. Only identity can fill them, under the lease of a miss.
        Namespace("sessions", IDENTITY, READERS, max_ttl_ms=30_000, lease_required=True),
        Namespace("profiles", IDENTITY, READERS, max_ttl_ms=300_000, lease_required=True),
        Namespace("subscriptions", IDENTITY, READERS, max_ttl_ms=300_000, lease_required=True),
        Namespace("unread", NOTIFICATIONS, NOTIFICATIONS | GATEWAY, max_ttl_ms=30_000, lease_required=True),
        Namespace("preferences", NOTIFICATIONS, NOTIFICATIONS | GATEWAY, max_ttl_ms=30_000, lease_required=True),
        # The addresses from which an account has signed in. A service that fills it can try passwords beyond the limit
        # for unknown addresses. The lifetime is exact because the documentation states it in days.
        Namespace("known-addresses", GATEWAY, GATEWAY, max_ttl_ms=30 * DAY_MS, exact=True),
    )
}

SHARED_TAGS = {
    "session:": IDENTITY,
    "sessions:": IDENTITY,
    "user:": IDENTITY,
    "subscription:": IDENTITY,
    "unread:": NOTIFICATIONS,
    "preferences:": NOTIFICATIONS,
}
"""Prefixes of tags that all services share, and the services that can invalidate them."""


def to_read(name: str, caller: str) -> Namespace:
    """Return the namespace for a read. Raises InvalidArgument for an invalid name, PermissionDenied for others."""
    namespace = _find(name, caller)
    if caller not in namespace.readers:
        raise _not_yours(name, caller, "read")
    return namespace


def to_fill(name: str, caller: str) -> Namespace:
    """Return the namespace for a write or a deletion. Raises as `to_read` does."""
    namespace = _find(name, caller)
    if caller not in namespace.fillers:
        raise _not_yours(name, caller, "fill")
    return namespace


def tag_name(tag: str, caller: str) -> str:
    """Return the unique name of a tag on one of the caller's entries."""
    return tag if _owners(tag) is not None else f"{_quoted(caller)}/{tag}"


def tag_to_invalidate(tag: str, caller: str) -> str:
    """Return the unique name of the tag. Raises PermissionDenied if only other services can invalidate it."""
    owners = _owners(tag)
    if owners is not None and caller not in owners:
        raise PermissionDenied("TAG_NOT_YOURS", f"the service {caller} cannot invalidate {tag.partition(':')[0]} tags")
    return tag_name(tag, caller)


def check_shared(namespace: Namespace, tags: Sequence[str], field: str) -> None:
    """Raise InvalidArgument for a tag whose invalidations the namespace's readers would not receive."""
    if namespace.readers <= namespace.fillers:
        return
    for index, tag in enumerate(tags):
        if _owners(tag) is None:
            where = f"{field}[{index}]"
            raise InvalidArgument(
                "TAG_NOT_SHARED",
                f"{where} is not a shared tag, which the namespace {namespace.name} requires",
                field=where,
            )


def can_see(tag_name: str, caller: str) -> bool:
    """Return whether a service receives invalidations of the tag with this unique name."""
    return _owners(tag_name) is not None or tag_name.startswith(f"{_quoted(caller)}/")


def _owners(tag: str) -> frozenset[str] | None:
    head, colon, _ = tag.partition(":")
    return SHARED_TAGS.get(head + colon)


def _find(name: str, caller: str) -> Namespace:
    return SHARED.get(name) or _private(name, caller)


@lru_cache(maxsize=1_024)
def _private(name: str, caller: str) -> Namespace:
    _check(name, "namespace")
    own = frozenset({caller})
    return Namespace(f"{_quoted(caller)}/{name}", own, own, max_ttl_ms=DAY_MS)


def rule_name(rule: str, caller: str) -> str:
    """Return the unique name of a caller's rule. Raises InvalidArgument for an invalid name."""
    _check(rule, "rule")
    return f"{_quoted(caller)}/{rule}"


def _check(name: str, field: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidArgument(
            f"INVALID_{field.upper()}",
            f"{field} must be a lower-case letter, then up to 31 lower-case letters, digits and dashes",
            field=field,
        )


@lru_cache(maxsize=1_024)
def _quoted(caller: str) -> str:
    return quote(caller, safe="")


def _not_yours(name: str, caller: str, verb: str) -> PermissionDenied:
    return PermissionDenied("NAMESPACE_NOT_YOURS", f"the service {caller} cannot {verb} the namespace {name}")
