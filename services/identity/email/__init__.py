"""Email addresses: verification, change, and mails."""
