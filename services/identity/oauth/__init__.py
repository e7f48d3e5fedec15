"""Sign-in at providers: an OAuth 2.1 and OpenID Connect client."""
