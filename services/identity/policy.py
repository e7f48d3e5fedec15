"""The policy table: who can call each RPC of this service."""

from runtime.rpc.policy import GATEWAY, OPERATORS, People, Policy, Rule

# The gateway calls these for itself: the request carries a password, a token or a mailed secret.
FRONT_DOOR = Rule(People.NONE, services=GATEWAY)
OWN = Rule(People.THEMSELVES, owner="user_id")
ADMINS = Rule(People.ADMINS)

POLICY: Policy = {
    "trivet.identity.v1.AuthService/SignUp": FRONT_DOOR,
    "trivet.identity.v1.AuthService/SignIn": FRONT_DOOR,
    "trivet.identity.v1.AuthService/SignOut": FRONT_DOOR,
    "trivet.identity.v1.AuthService/ChangePassword": OWN,
    "trivet.identity.v1.AuthService/VerifyPassword": OWN,
    "trivet.identity.v1.AccountService/ListAccounts": OWN,
    "trivet.identity.v1.AccountService/UnlinkAccount": OWN,
    "trivet.identity.v1.AccountService/BeginOAuth": FRONT_DOOR,
    "trivet.identity.v1.AccountService/CompleteOAuth": FRONT_DOOR,
    "trivet.identity.v1.AccountService/SignInWithIdToken": FRONT_DOOR,
    "trivet.identity.v1.AccountService/LinkWithIdToken": OWN,
    "trivet.identity.v1.AccountService/GetAccessToken": OWN,
    "trivet.identity.v1.AccountService/RefreshAccessToken": OWN,
    "trivet.identity.v1.AccountService/GetAccountInfo": OWN,
    "trivet.identity.v1.VerificationService/RequestPasswordReset": FRONT_DOOR,
    "trivet.identity.v1.VerificationService/CheckPasswordReset": FRONT_DOOR,
    "trivet.identity.v1.VerificationService/ResetPassword": FRONT_DOOR,
    "trivet.identity.v1.VerificationService/SendVerificationEmail": FRONT_DOOR,
    "trivet.identity.v1.VerificationService/VerifyEmail": FRONT_DOOR,
    "trivet.identity.v1.VerificationService/RequestEmailChange": OWN,
    "trivet.identity.v1.VerificationService/RequestUserDeletion": OWN,
    "trivet.identity.v1.VerificationService/DeleteUserWithToken": Rule(
        People.THEMSELVES, services=GATEWAY, owner="user_id"
    ),
    "trivet.identity.v1.SessionService/VerifySession": FRONT_DOOR,
    "trivet.identity.v1.SessionService/RefreshSession": FRONT_DOOR,
    "trivet.identity.v1.SessionService/UpdateSession": OWN,
    "trivet.identity.v1.SessionService/ListSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeSession": OWN,
    "trivet.identity.v1.SessionService/RevokeOtherSessions": OWN,
    "trivet.identity.v1.SessionService/RevokeAllSessions": OWN,
    "trivet.identity.v1.SubscriptionService/GetSubscription": Rule(
        People.THEMSELVES, services=GATEWAY, owner="user_id"
    ),
    "trivet.identity.v1.SubscriptionService/ApplyStripeEvent": FRONT_DOOR,
    "trivet.identity.v1.UserService/GetUser": Rule(People.THEMSELVES, services=GATEWAY | OPERATORS, owner="user_id"),
    "trivet.identity.v1.UserService/UpdateUser": Rule(People.THEMSELVES, owner="user.id"),
    "trivet.identity.v1.UserService/DeleteUser": OWN,
    "trivet.identity.v1.UserService/ListUsers": ADMINS,
    "trivet.identity.v1.UserAdminService/SetUserRole": ADMINS,
    "trivet.identity.v1.UserAdminService/BanUser": ADMINS,
    "trivet.identity.v1.UserAdminService/UnbanUser": ADMINS,
}
