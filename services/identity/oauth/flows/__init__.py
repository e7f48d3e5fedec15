"""Sign-in flows: the redirect flow, id tokens, and account linking."""
