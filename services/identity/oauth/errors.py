"""The errors of a sign-in at a provider."""


class OAuthError(Exception):
    """A flow that ends without a session. `code` is the protocol's error code, which the browser receives.

    The message contains no authorization code, token or URL of the provider.
    """

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class ExchangeError(Exception):
    """A provider's response is missing or not usable. `refused`: the provider rejected the request."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class UnansweredError(Exception):
    """A provider did not respond. The message is the kind of failure, without content of the request."""


class BadTokenError(Exception):
    """An id token is not valid. The message names the claim, never its value."""
