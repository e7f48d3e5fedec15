"""Email addresses: their verification, their change, and the mails about them."""
