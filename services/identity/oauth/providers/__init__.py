"""Providers: their settings, discovery documents, keys, profiles and HTTP calls."""
