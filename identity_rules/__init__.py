"""Rules of identity that the gateway applies too: custom fields, and fresh sessions."""
