"""Delivery by email: sealed mail, SMTP, and the mailbox of development."""
