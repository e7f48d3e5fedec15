"""The features of the Better Auth protocol, one module each."""

from gateway.auth.protocol.route_table import RouteTable
from gateway.auth.routes import (
    deletion,
    email_password,
    email_verification,
    linked_accounts,
    pages,
    password_reset,
    profile,
    sessions,
    social,
)

FEATURES = (
    email_password.FEATURE,
    social.FEATURE,
    sessions.FEATURE,
    profile.FEATURE,
    email_verification.FEATURE,
    password_reset.FEATURE,
    linked_accounts.FEATURE,
    deletion.FEATURE,
    pages.FEATURE,
)
ROUTES = RouteTable(FEATURES)
