"""Other products that check sessions, installed and started beside Trivet."""
