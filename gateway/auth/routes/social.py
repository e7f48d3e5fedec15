"""Sign-in at a provider and linking of its accounts, by redirect or by id token."""

from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext, location
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed
from gateway.auth.protocol.limits import SENSITIVE
from gateway.auth.protocol.redirects import redirect
from gateway.auth.protocol.refusals import VALIDATION_ERROR, ErrorCode, refuse
from gateway.auth.protocol.validation import ONE_OF_SEVERAL, Omissible, Query
from gateway.http.description import Description, UserAnswer
from gateway.sessions.wire_objects import user_object
from trivet.identity.v1.account_service_pb2 import (
    BeginOAuthRequest,
    CompleteOAuthRequest,
    IdToken,
    LinkWithIdTokenRequest,
    SignInWithIdTokenRequest,
)

RESERVED = (
    "state",
    "client_id",
    "redirect_uri",
    "response_type",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "scope",
)
"""OAuth parameters of a provider's page that a request must not set."""

Provider = Annotated[str, Meta(extra=ONE_OF_SEVERAL)]


class PersonName(msgspec.Struct):
    """A name in the form in which Apple sends it."""

    first: str | UnsetType = field(name="firstName", default=UNSET)
    last: str | UnsetType = field(name="lastName", default=UNSET)


class Person(msgspec.Struct):
    """What a provider sends to an application beside an id token."""

    name: PersonName | UnsetType = UNSET
    email: str | UnsetType = UNSET


class Token(msgspec.Struct):
    """An id token that the application got from the provider itself."""

    token: str
    nonce: str | UnsetType = UNSET
    access_token: str | UnsetType = field(name="accessToken", default=UNSET)
    refresh_token: str | UnsetType = field(name="refreshToken", default=UNSET)
    expires_at: float | UnsetType = field(name="expiresAt", default=UNSET)
    user: Person | UnsetType = UNSET


class SignInSocial(msgspec.Struct):
    """The body of /sign-in/social."""

    provider: Provider
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)
    new_user_url: str | UnsetType = field(name="newUserCallbackURL", default=UNSET)
    error_url: str | UnsetType = field(name="errorCallbackURL", default=UNSET)
    disable_redirect: bool | UnsetType = field(name="disableRedirect", default=UNSET)
    id_token: Token | UnsetType = field(name="idToken", default=UNSET)
    scopes: list[str] | UnsetType = UNSET
    request_sign_up: bool | UnsetType = field(name="requestSignUp", default=UNSET)
    login_hint: str | UnsetType = field(name="loginHint", default=UNSET)
    additional_params: dict[str, str] | UnsetType = field(name="additionalParams", default=UNSET)
    additional_data: dict[str, object] | UnsetType = field(name="additionalData", default=UNSET)


class ProviderPage(msgspec.Struct):
    """The provider's page, to which the browser is to go."""

    url: str
    redirect: bool


class SignedInAtOnce(msgspec.Struct):
    """The new session's token and its user, for an id token."""

    redirect: bool
    token: str
    user: UserAnswer


class LinkBegun(msgspec.Struct, kw_only=True):
    """The provider's page, or for an id token an empty `url` and `status`: the account is linked."""

    url: str
    status: bool | UnsetType = UNSET
    redirect: bool


@Description(
    answers=(ProviderPage, SignedInAtOnce),
    calls=("AccountService.BeginOAuth", "AccountService.SignInWithIdToken"),
    signs_in=True,
)
async def sign_in_social(context: AuthContext, body: SignInSocial) -> Response:
    """Begin a sign-in at a provider. With an id token the session is opened at once."""
    if body.id_token:
        return await _sign_in_with(context, body, body.id_token)
    return await _begin(context, body)


@Description(answers=(LinkBegun,), calls=("AccountService.BeginOAuth", "AccountService.LinkWithIdToken"))
async def link_social(context: AuthContext, body: SignInSocial) -> Response:
    """Link an account at a provider to the signed-in user. With an id token it is linked at once."""
    me = context.caller
    if not body.id_token:
        return await _begin(context, body, user_id=me.user.id, session_id=me.session.id)
    request = LinkWithIdTokenRequest(user_id=me.user.id, provider=body.provider, id_token=_message(body.id_token))
    with me.acting():
        await context.deps.backends.accounts.LinkWithIdToken(request)
    return context.json(LinkBegun(url="", status=True, redirect=False))


async def _begin(context: AuthContext, body: SignInSocial, *, user_id: str = "", session_id: str = "") -> Response:
    if any(name in RESERVED for name in body.additional_params or {}):
        text = f"additionalParams cannot include reserved OAuth parameters: {', '.join(RESERVED)}"
        raise refuse(VALIDATION_ERROR, f"[body.additionalParams] {text}")
    begun = await context.deps.backends.accounts.BeginOAuth(
        BeginOAuthRequest(
            provider=body.provider,
            callback_url=body.callback_url or "",
            new_user_callback_url=body.new_user_url or "",
            error_callback_url=body.error_url or "",
            scopes=body.scopes or (),
            link_user_id=user_id,
            link_session_id=session_id,
            request_sign_up=bool(body.request_sign_up),
            login_hint=body.login_hint or "",
            additional_params=body.additional_params or {},
        )
    )
    context.set_cookies = [*context.set_cookies, context.cookies.began(begun.state)]
    url, at_once = begun.authorization_url, not body.disable_redirect
    headers = {"location": location(url)} if at_once else None
    return context.json(ProviderPage(url=url, redirect=at_once), headers=headers)


async def _sign_in_with(context: AuthContext, body: SignInSocial, token: Token) -> Response:
    answer = await context.deps.backends.accounts.SignInWithIdToken(
        SignInWithIdTokenRequest(
            provider=body.provider,
            id_token=_message(token),
            request_sign_up=bool(body.request_sign_up),
            origin=context.session_origin(),
        )
    )
    if context.limits:
        context.limits.opened((answer.user.email, answer.user.id), context.limit_subject())
    context.open_session(answer.session, answer.token, user=answer.user, remember=_is_remembered(context))
    return context.json(SignedInAtOnce(redirect=False, token=answer.token, user=user_object(answer.user)))


def _message(token: Token) -> IdToken:
    return IdToken(
        token=token.token,
        nonce=token.nonce or "",
        access_token=token.access_token or "",
        refresh_token=token.refresh_token or "",
        name=_name(token),
    )


def _name(token: Token) -> str:
    name = token.user.name if token.user else UNSET
    return " ".join(part for part in (name.first, name.last) if part) if name else ""


def _is_remembered(context: AuthContext) -> bool:
    return not context.cookies.is_not_remembered(context.request)


class _Answer(msgspec.Struct):
    """The parameters of a provider's redirect."""

    code: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    device_id: str | UnsetType = UNSET
    error_description: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET


class Answer(_Answer, Query):
    """The parameters in a query."""


class PostedAnswer(_Answer, Omissible):
    """The parameters in a form, which Apple's page posts."""


@Description(redirects=True, calls=("AccountService.CompleteOAuth",), signs_in=True)
async def callback(context: AuthContext, answer: Answer) -> Response:
    """End a sign-in at a provider. The browser is sent on, signed in or with `?error=`."""
    browser_state = context.cookies.state_of(context.request) or ""
    completed = await context.deps.backends.accounts.CompleteOAuth(
        CompleteOAuthRequest(
            provider=context.parameters["provider"],
            state=answer.state or "",
            browser_state=browser_state,
            code=answer.code or "",
            issuer=answer.iss or "",
            error=answer.error or "",
            error_description=answer.error_description or "",
            user_json=answer.user or "",
            origin=context.session_origin(),
        )
    )
    if completed.token:
        if context.limits:
            context.limits.opened((completed.user.email, completed.user.id), context.limit_subject())
        context.open_session(completed.session, completed.token, user=completed.user, remember=_is_remembered(context))
    if browser_state and browser_state == answer.state:
        context.set_cookies = [context.cookies.ended(), *context.set_cookies]
    return redirect(completed.redirect_url)


@Description(name="authPostCallback", redirects=True)
async def posted_callback(context: AuthContext, answer: PostedAnswer) -> Response:
    """Redirect a posted form to the same path with GET. A form of another site brings no cookies."""
    query = context.request.query_params
    values = msgspec.to_builtins(answer) | {name: query[name] for name in answer.__struct_fields__ if query.get(name)}
    path = f"/api/auth/callback/{quote(context.parameters['provider'], safe='')}"
    return redirect(f"{context.deps.settings.base_url.rstrip('/')}{path}?{urlencode(values)}")


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/sign-in/social", sign_in_social, SignInSocial, limit=SENSITIVE),
        Endpoint("GET", "/callback/:provider", callback, Answer),
        Endpoint("POST", "/callback/:provider", posted_callback, PostedAnswer, is_cross_site=True),
        Endpoint("POST", "/link-social", link_social, SignInSocial, confirmed),
    ),
    error_codes={
        "FAILED_TO_GET_USER_INFO": ErrorCode("FAILED_TO_GET_USER_INFO", 401, "Failed to get user info"),
        "ID_TOKEN_NOT_SUPPORTED": ErrorCode("ID_TOKEN_NOT_SUPPORTED", 404, "id_token not supported"),
        "INVALID_ID_TOKEN": ErrorCode("INVALID_TOKEN", 401, "Invalid token"),
        "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED": ErrorCode(
            "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED", 401, "Account not linked - different emails not allowed"
        ),
        "LINKING_FAILED": ErrorCode("LINKING_FAILED", 417, "Account not linked - unable to create account"),
        "LINKING_NOT_ALLOWED": ErrorCode("LINKING_NOT_ALLOWED", 401, "Account not linked - linking not allowed"),
        "OAUTH_LINK_ERROR": ErrorCode("OAUTH_LINK_ERROR", 401, ""),
        "PROVIDER_NOT_FOUND": ErrorCode("PROVIDER_NOT_FOUND", 404, "Provider not found"),
        "SOCIAL_ACCOUNT_ALREADY_LINKED": ErrorCode(
            "SOCIAL_ACCOUNT_ALREADY_LINKED", 409, "Social account already linked"
        ),
        "USER_EMAIL_NOT_FOUND": ErrorCode("USER_EMAIL_NOT_FOUND", 401, "User email not found"),
    },
)
