"""Serving HTTP: sockets, granian's worker, and the supervisor of several workers."""
