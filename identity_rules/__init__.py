"""Rules that identity and the gateway share: custom fields and fresh sessions."""
