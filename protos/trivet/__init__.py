"""Trivet's typed gRPC stubs and a client for its services."""
