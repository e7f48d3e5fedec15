"""The `trivet` command: run the stack, migrate, look after users, sign actors."""
