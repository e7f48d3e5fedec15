"""The configuration of sign-in at providers."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from services.identity.email.links import BASE_PATH
from services.identity.oauth.providers.catalog import Provider
from services.identity.oauth.providers.provider_http import TOTAL_SECONDS, ProviderHttp
from services.identity.oauth.providers.settings import OAuthRules


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthConfig:
    """The configuration. `loopback` permits plain http to this machine.

    `error_url` is the page after a failed flow without an error page of its own; empty for the gateway's page. At the
    end of the process, a token refresh has `grace_seconds` to finish, so that a new refresh token is not lost.
    """

    providers: Sequence[Provider]
    rules: OAuthRules
    base_url: str
    loopback: bool
    error_url: str = ""
    grace_seconds: float = 0
    answer_seconds: float = TOTAL_SECONDS

    @property
    def auth_url(self) -> str:
        return self.base_url.rstrip("/") + BASE_PATH

    @property
    def by_id(self) -> Mapping[str, Provider]:
        return {provider.id: provider for provider in self.providers}

    def open_http(self) -> AbstractAsyncContextManager[ProviderHttp]:
        if not self.providers:
            return nullcontext(ProviderHttp.disabled())
        from services.identity.oauth.providers.http_client import open_provider_http  # costs 8 MB

        return open_provider_http(loopback=self.loopback, seconds=self.answer_seconds)
