"""Email addresses in the form that mail servers accept."""

import idna


def wire_address(address: str) -> str:
    """Return an address with its domain in A-labels (RFC 5890), which every mail server accepts.

    The local part stays unchanged. If it is not ASCII, the mail needs SMTPUTF8 (RFC 6531). Raises ValueError for a
    domain that is not a host name.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"  # an IDNAError is a ValueError
