"""Who decides, as audit events name them."""

from runtime.rpc.actor import current_actor


def deciding_actor() -> str:
    """Return the id of the user for whom the call is made; `service:NAME` for a program that speaks for itself."""
    actor = current_actor.get()
    return actor.user_id or f"service:{actor.caller}"
