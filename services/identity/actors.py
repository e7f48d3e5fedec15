"""The actor of a call, as audit events name it."""

from runtime.rpc.actor import current_actor


def deciding_actor() -> str:
    """Return the id of the user who makes the call, or `service:NAME` for a program that calls for itself."""
    actor = current_actor.get()
    return actor.user_id or f"service:{actor.caller}"
