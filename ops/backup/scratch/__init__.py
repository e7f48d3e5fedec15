"""Scratch servers: databases that exist for one verification."""
