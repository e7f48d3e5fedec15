"""Passwords: sign-up, sign-in, hashing, rehash and resets."""
