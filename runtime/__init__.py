"""Code that several processes share, and that knows no service: settings, RPC server, errors, paging, telemetry."""
