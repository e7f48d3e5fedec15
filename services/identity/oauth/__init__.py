"""Signing in at providers: OAuth 2.1 and OpenID Connect, as a client."""
