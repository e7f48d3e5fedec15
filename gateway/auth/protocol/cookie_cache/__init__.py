"""The cookie `session_data` of the Better Auth protocol: a signed copy of session and user for front ends."""
