"""Backups of Redis or Valkey, for those who want them: what it holds is a cache and counters."""
