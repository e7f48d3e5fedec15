"""Who may call what: one row per RPC that this service serves."""

from runtime.policy import People, Policy, Rule

# Whoever holds an email's password or a session's token proves it to the gateway or to a program, never to us.
PROGRAMS = Rule(People.NONE)
OWN = Rule(People.THEMSELVES, owner="user_id")
ADMINS = Rule(People.ADMINS)

POLICY: Policy = {
    "trivet.identity.v1.AuthService/SignUp": PROGRAMS,
    "trivet.identity.v1.AuthService/SignIn": PROGRAMS,
    "trivet.identity.v1.AuthService/SignOut": PROGRAMS,
    "trivet.identity.v1.AuthService/ChangePassword": OWN,
    "trivet.identity.v1.AuthService/VerifyPassword": OWN,
    "trivet.identity.v1.AccountService/ListAccounts": OWN,
    "trivet.identity.v1.AccountService/UnlinkAccount": OWN,
    "trivet.identity.v1.AccountService/BeginOAuth": PROGRAMS,
    "trivet.identity.v1.AccountService/CompleteOAuth": PROGRAMS,
    "trivet.identity.v1.AccountService/SignInWithIdToken": PROGRAMS,
    "trivet.identity.v1.AccountService/LinkWithIdToken": OWN,
    "trivet.identity.v1.AccountService/GetAccessToken": OWN,
    "trivet.identity.v1.AccountService/RefreshAccessToken": OWN,
    "trivet.identity.v1.AccountService/GetAccountInfo": OWN,
    "trivet.identity.v1.VerificationService/RequestPasswordReset": PROGRAMS,
    "trivet.identity.v1.VerificationService/CheckPasswordReset": PROGRAMS,
    "trivet.identity.v1.VerificationService/ResetPassword": PROGRAMS,
    "trivet.identity.v1.VerificationService/SendVerificationEmail": PROGRAMS,
    "trivet.identity.v1.VerificationService/VerifyEmail": PROGRAMS,
    "trivet.identity.v1.VerificationService/RequestEmailChange": OWN,
    "trivet.identity.v1.VerificationService/RequestUserDeletion": OWN,
    "trivet.identity.v1.VerificationService/DeleteUserWithToken": OWN,
    "trivet.identity.v1.SessionService/VerifySession": PROGRAMS,
    "trivet.identity.v1.SessionService/RefreshSession": PROGRAMS,
    "trivet.identity.v1.SessionService/UpdateSession": OWN,
    "trivet.identity.v1.SessionService/ListSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeSession": OWN,
    "trivet.identity.v1.SessionService/RevokeOtherSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeAllSessions": OWN,
    "trivet.identity.v1.SubscriptionService/GetSubscription": OWN,
    "trivet.identity.v1.SubscriptionService/ApplyStripeEvent": PROGRAMS,
    "trivet.identity.v1.UserService/GetUser": OWN,
    "trivet.identity.v1.UserService/UpdateUser": Rule(People.THEMSELVES, owner="user.id"),
    "trivet.identity.v1.UserService/DeleteUser": OWN,
    "trivet.identity.v1.UserService/ListUsers": ADMINS,
    "trivet.identity.v1.UserAdminService/SetUserRole": ADMINS,
    "trivet.identity.v1.UserAdminService/BanUser": ADMINS,
    "trivet.identity.v1.UserAdminService/UnbanUser": ADMINS,
}
