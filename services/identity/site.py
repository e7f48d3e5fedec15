"""What one product decides: its address, its rules for email, and how long a session lives."""

from dataclasses import dataclass

from services.identity.email.policy import EmailRules
from services.identity.sessions.session import Lifetimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`base_url` is where links in mails lead. The first of `secrets` signs them; all of them verify."""

    base_url: str
    secrets: tuple[str, ...]
    rules: EmailRules
    lifetimes: Lifetimes
    refuse_common: bool = True
