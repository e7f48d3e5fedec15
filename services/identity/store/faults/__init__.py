"""Database errors: their codes, what they mean, and how they are logged."""
