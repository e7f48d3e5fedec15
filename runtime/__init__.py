"""What two processes or more share: settings, server, concerns of every call, errors, paging, telemetry."""
