"""Backups of MongoDB: its documents as BSON, a part for each collection."""
