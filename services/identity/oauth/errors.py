"""How a sign-in at a provider fails: the protocol's word for it, which the browser is told."""


class OAuthError(Exception):
    """A transaction that ends without a session. The text holds no code, token or address of the provider's."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class ExchangeError(Exception):
    """A provider did not answer as it should. `refused` says that it understood, and said no."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class UnansweredError(Exception):
    """No answer came; the text is the kind of failure, and nothing of what was sent."""


class BadTokenError(Exception):
    """An id token that proves nothing; the text says which claim, never its value."""
