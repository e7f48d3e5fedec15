"""Who may call what: one row per RPC that this service serves."""

from runtime.policy import People, Policy, Rule

# Whoever holds an email's password or a session's token proves it to the gateway or to a program, never to us.
PROGRAMS = Rule(People.NONE)
OWN = Rule(People.THEMSELVES, owner="user_id")

POLICY: Policy = {
    "trivet.identity.v1.AuthService/SignUp": PROGRAMS,
    "trivet.identity.v1.AuthService/SignIn": PROGRAMS,
    "trivet.identity.v1.AuthService/SignOut": PROGRAMS,
    "trivet.identity.v1.AuthService/ChangePassword": OWN,
    "trivet.identity.v1.AuthService/VerifyPassword": OWN,
    "trivet.identity.v1.SessionService/VerifySession": PROGRAMS,
    "trivet.identity.v1.SessionService/RefreshSession": PROGRAMS,
    "trivet.identity.v1.SessionService/ListSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeSession": OWN,
    "trivet.identity.v1.SessionService/RevokeOtherSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeAllSessions": OWN,
    "trivet.identity.v1.UserService/GetUser": OWN,
    "trivet.identity.v1.UserService/UpdateUser": Rule(People.THEMSELVES, owner="user.id"),
    "trivet.identity.v1.UserService/DeleteUser": OWN,
    "trivet.identity.v1.UserService/ListUsers": Rule(People.ADMINS),
}
