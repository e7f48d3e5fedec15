"""Sign-up and sign-in with email and password, and sign-out."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext, location
from gateway.auth.protocol.custom_fields import new_values
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.limits import SENSITIVE
from gateway.auth.protocol.refusals import ErrorCode, refuse
from gateway.auth.protocol.validation import NO_CONTROLS, Email, Extensible, Omissible, is_email
from gateway.http.description import Description, UserAnswer
from gateway.sessions.wire_objects import user_object
from trivet.identity.v1.auth_service_pb2 import SignInRequest, SignOutRequest, SignUpRequest

EMAIL_TAKEN = ErrorCode("USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", 422, "User already exists. Use another email.")
EMAIL_NOT_VERIFIED = ErrorCode("EMAIL_NOT_VERIFIED", 403, "Email not verified")
INVALID_EMAIL = ErrorCode("INVALID_EMAIL", 400, "Invalid email")
INVALID_EMAIL_OR_PASSWORD = ErrorCode("INVALID_EMAIL_OR_PASSWORD", 401, "Invalid email or password")
PASSWORD_TOO_COMMON = ErrorCode("PASSWORD_TOO_COMMON", 400, "Password too common")
PASSWORD_TOO_LONG = ErrorCode("PASSWORD_TOO_LONG", 400, "Password too long")
PASSWORD_TOO_SHORT = ErrorCode("PASSWORD_TOO_SHORT", 400, "Password too short")

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=NO_CONTROLS)]
Image = Annotated[str, Meta(max_length=200_000)]  # for data URLs; identity has a lower limit for other URLs


class SignUp(Extensible):
    """The body of /sign-up/email. Other members, such as a role, are ignored."""

    name: Name
    email: Email
    password: Annotated[str, Meta(min_length=1)]
    image: Image | UnsetType = UNSET
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)
    remember_me: bool | UnsetType = field(name="rememberMe", default=UNSET)


class SignedUp(msgspec.Struct):
    """The new user. The token is null if the user has no session yet."""

    token: str | None
    user: UserAnswer


@Description(
    answers=(SignedUp,),
    calls=("AuthService.SignUp",),
    signs_in=True,
)
async def sign_up(context: AuthContext, body: SignUp) -> Response:
    """Sign up with an email address and a password."""
    remember = body.remember_me is not False
    answer = await context.deps.backends.auth.SignUp(
        SignUpRequest(
            name=body.name,
            email=body.email,
            password=body.password,
            image=body.image if body.image is not UNSET else None,
            origin=context.session_origin(remember=remember),
            callback_url=body.callback_url or "",
            additional=new_values(context.deps.settings.user_fields, context.body),
        )
    )
    if answer.token:
        context.open_session(answer.session, answer.token, user=answer.user, remember=remember)
    return context.json(SignedUp(token=answer.token or None, user=user_object(answer.user)))


class SignIn(msgspec.Struct):
    """The body of /sign-in/email."""

    email: str
    password: str
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)
    remember_me: bool | UnsetType = field(name="rememberMe", default=UNSET)


class SignedIn(msgspec.Struct, kw_only=True):
    """The new session's token and its user. With a callbackURL the client follows `url`."""

    redirect: bool
    token: str
    url: str | UnsetType = UNSET
    user: UserAnswer


@Description(
    answers=(SignedIn,),
    calls=("AuthService.SignIn",),
    signs_in=True,
)
async def sign_in(context: AuthContext, body: SignIn) -> Response:
    """Sign in with an email address and a password."""
    if not is_email(body.email):
        raise refuse(INVALID_EMAIL)
    await context.count_password_attempt(body.email)
    if not body.password:
        raise refuse(INVALID_EMAIL_OR_PASSWORD)
    remember = body.remember_me is not False
    answer = await context.deps.backends.auth.SignIn(
        SignInRequest(
            email=body.email,
            password=body.password,
            origin=context.session_origin(remember=remember),
            callback_url=body.callback_url or "",
        )
    )
    if context.limits:
        context.limits.opened((body.email, answer.user.id), context.limit_subject())
    context.open_session(answer.session, answer.token, user=answer.user, remember=remember)
    return context.json(
        SignedIn(
            redirect=bool(body.callback_url),
            token=answer.token,
            url=body.callback_url,
            user=user_object(answer.user),
        ),
        headers={"location": location(body.callback_url)} if body.callback_url else None,
    )


class SignOut(Omissible):
    """The body of /sign-out. It can be absent; its members are not used."""


class SignedOut(msgspec.Struct):
    """The session is over, if there was one."""

    success: bool


@Description(answers=(SignedOut,), calls=("AuthService.SignOut",), reads_session=True)
async def sign_out(context: AuthContext, _: SignOut) -> Response:
    """Sign out. The cookies are removed once the session has ended."""
    if token := context.cookies.token_of(context.request):

        async def end() -> bool | None:
            answer = await context.deps.backends.auth.SignOut(SignOutRequest(token=token))
            return answer.revoked or None

        guesses = context.deps.token_guesses
        await (guesses.counted(context.request, end) if guesses else end())
    context.close_session()
    return context.json(SignedOut(success=True))


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/sign-up/email", sign_up, SignUp, limit=SENSITIVE, is_first_sign_in=True),
        Endpoint("POST", "/sign-in/email", sign_in, SignIn, limit=SENSITIVE, is_first_sign_in=True),
        Endpoint("POST", "/sign-out", sign_out, SignOut),
    ),
    error_codes={
        "EMAIL_NOT_VERIFIED": EMAIL_NOT_VERIFIED,
        "EMAIL_TAKEN": EMAIL_TAKEN,
        "INVALID_EMAIL": INVALID_EMAIL,
        "INVALID_EMAIL_OR_PASSWORD": INVALID_EMAIL_OR_PASSWORD,
        "PASSWORD_TOO_COMMON": PASSWORD_TOO_COMMON,
        "PASSWORD_TOO_LONG": PASSWORD_TOO_LONG,
        "PASSWORD_TOO_SHORT": PASSWORD_TOO_SHORT,
    },
)
