"""Code that several processes share and that knows no service: settings, server, errors, paging, telemetry."""
