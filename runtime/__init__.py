"""What two processes or more share: settings, server, interceptors of every call, errors, paging, telemetry."""
