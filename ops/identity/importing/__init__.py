"""`trivet import`: users of another system, with their passwords and sessions."""
