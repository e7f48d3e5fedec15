"""`trivet import`: people of another system, with the passwords and sessions that they have."""
