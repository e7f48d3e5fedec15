"""The site's rules: its address, its rules for email, and the lifetimes of sessions."""

from dataclasses import dataclass

from services.identity.email.policy import EmailRules
from services.identity.sessions.session import Lifetimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`base_url` is the target of mailed links. The first of `secrets` signs them; all of them verify."""

    base_url: str
    secrets: tuple[str, ...]
    rules: EmailRules
    lifetimes: Lifetimes
    refuse_common: bool = True
