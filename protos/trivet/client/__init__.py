"""A typed client for Trivet's services: channels with a deadline, a retry policy, a trace context and an actor.

signer = Signer("billing", {"identity": key})
async with connect("127.0.0.1:50051", "identity", signer) as channel:
    user = await UserServiceStub(channel).GetUser(GetUserRequest(user_id=user_id))
"""

from trivet.client.actor import Actor, PairKeys, Signer, acting_for, decode_pair_keys
from trivet.client.channel import Channel, connect
from trivet.client.deadline import deadline_of, remaining, within
from trivet.client.errors import reason_of
from trivet.client.near.lease import Metadata
from trivet.client.near.near_cache import NearCache
from trivet.client.near.reads import CachedReads, NearReads
from trivet.client.near.watch import watching

__all__ = [
    "Actor",
    "CachedReads",
    "Channel",
    "Metadata",
    "NearCache",
    "NearReads",
    "PairKeys",
    "Signer",
    "acting_for",
    "connect",
    "deadline_of",
    "decode_pair_keys",
    "reason_of",
    "remaining",
    "watching",
    "within",
]
