"""Email addresses as they go to a mail server."""

import idna


def wire_address(address: str) -> str:
    """Return an address with its domain in A-labels (RFC 5890), which every mail server takes.

    The local part stays as it is: only one beyond ASCII needs SMTPUTF8 (RFC 6531). Raises ValueError for a domain that
    no name of a host can be.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"  # an IDNAError is a ValueError
